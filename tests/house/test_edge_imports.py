import subprocess
import sys

import pytest

UNWANTED = "{'fastapi', 'sqlmodel', 'sqlalchemy', 'streamlit', 'starlette'}"


@pytest.mark.serves("H4")
def test_the_edge_program_imports_no_web_server_and_no_database_mapper() -> None:
    code = f"import sys, edge.main; print(sorted({UNWANTED} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert found.stdout.strip() == "[]"
