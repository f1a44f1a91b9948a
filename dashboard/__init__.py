"""The operations view: Streamlit and one live component."""
