"""Units of measure a point may have, and how they are written for people."""

SYMBOLS: dict[str, str] = {
    "": "", "V": "V", "A": "A", "W": "W", "kW": "kW", "VA": "VA", "kVA": "kVA", "var": "var",
    "kvar": "kvar", "Hz": "Hz", "deg": "°", "%": "%", "Wh": "Wh", "kWh": "kWh", "kvarh": "kvarh",
    "m3": "m³", "m3/h": "m³/h", "MPa": "MPa", "bar": "bar", "degC": "°C", "%RH": "%RH",
    "m": "m", "cm": "cm", "m/s": "m/s", "s": "s", "min": "min", "h": "h", "rpm": "rpm",
    "ppm": "ppm", "%LEL": "%LEL", "kg": "kg", "yuan": "¥", "pf": "",
}  # fmt: skip
