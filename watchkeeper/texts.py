"""Texts a person reads, by key, in both languages (catalog/i18n, schema wk.texts/1)."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from watchkeeper import documents
from watchkeeper.documents import Text
from watchkeeper.errors import ConfigError

SCHEMA = "wk.texts/1"


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    texts: dict[str, Text]


class Texts:
    """All texts of the catalog."""

    def __init__(self, by_key: Mapping[str, Text]) -> None:
        self.by_key = by_key

    def __call__(self, key: str, language: str, **facts: object) -> str:
        """Return the text in "zh" or "en" with its facts filled in; KeyError: no such text."""
        text = self.by_key[key]
        return (text.zh if language.startswith("zh") else text.en).format(**facts)

    def both(self, key: str, **facts: object) -> Text:
        """Return the text in both languages with its facts filled in."""
        text = self.by_key[key]
        return Text(text.zh.format(**facts), text.en.format(**facts))


def load_file(path: Path) -> dict[str, Text]:
    """Return the texts of one file; ConfigError says what is wrong."""
    return documents.read(path, _File, SCHEMA).texts


def load(folder: Path) -> Texts:
    """Return the texts of every file of catalog/i18n; ConfigError: a key stands in two files."""
    found: dict[str, Text] = {}
    for path in sorted(folder.glob("*.yaml")):
        texts = load_file(path)
        for key in texts.keys() & found.keys():
            raise ConfigError(
                where=str(path), what=f"text `{key}` stands in two files", fix="remove one"
            )
        found |= texts
    return Texts(found)
