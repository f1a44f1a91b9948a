"""The monthly energy report as PDF (typst) and Excel (xlsxwriter)."""
