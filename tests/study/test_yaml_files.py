"""An ambiguous configuration file is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.study_config import CHECKS, PRESETS, ROOT
from snakemake.common.configfile import load_configfile

from noisescale.errors import ConfigError
from noisescale.study.yaml_files import read_yaml

AMBIGUOUS = [
    # text, line, key, problem, remedy
    ("a: 1\na: 2\n", 2, "a", "is there twice, first in line 1", "remove one of the two"),
    ("b:\n  c: 1\n  d: 2\n  c: 1\n", 4, "b.c", "is there twice", "remove one of the two"),
    ("b: {c: 1}\nd: 2\nb: {e: 1}\n", 3, "b", "is there twice, first in line 1", "remove one"),
    ("b: [{c: 1, c: 2}]\n", 1, "b[0].c", "is there twice", "remove one"),
    ('"a": 1\na: 2\n', 2, "a", "is there twice", "remove one"),
    ("n: 0200\n", 1, "n", "is 0200, which YAML reads as an octal number, 128", "write 200, or 128"),
    ("n: [1, 010]\n", 1, "n[1]", "is 010, which YAML reads as an octal number, 8", "write 10"),
    ("n: -07\n", 1, "n", "is -07, which YAML reads as an octal number, -7", "write -7"),
    ("n: 1:00\n", 1, "n", "is 1:00, which YAML reads as a number in base 60, 60", "write 60"),
    (
        "n: 1:30.5\n",
        1,
        "n",
        "is 1:30.5, which YAML reads as a number in base 60, 90.5",
        '"1:30.5" in quotes',
    ),
    ("a: &x [1, *x]\n", 1, "a[1]", "contains itself", "remove the alias"),
]


@pytest.mark.parametrize(
    ("text", "line", "key", "problem", "remedy"), AMBIGUOUS, ids=[text for text, *_ in AMBIGUOUS]
)
def test_ambiguous_yaml_is_refused_with_file_line_and_key(
    text: str, line: int, key: str, problem: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}: {key} {problem}")
    assert ": expected " in message
    assert remedy in message


BROKEN = {
    "empty": (b"", "empty: expected key: value lines"),
    "blank": (b" \n\n", "empty: expected key: value lines"),
    "comments": (b"# nothing\n", "only comments: expected key: value lines"),
    "a tab": (b"a:\n\tb: 1\n", "line 2: a tab (", "replace it by spaces"),
    "a tab in a list": (b"a:\n  - 1\n\t- 2\n", "line 3: a tab (", "replace it by spaces"),
    "documents": (b"a: 1\n---\nb: 2\n", "line 2: a second document begins", "remove the line"),
    "not UTF-8": ("title: Größe\n".encode("latin-1"), "not UTF-8 text (byte 9 is 0xf6)", "UTF-8"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "not UTF-8 text", "UTF-8"),
    "a control character": (b"a: \x00\n", "not YAML (", "correct it"),
    "an open bracket": (b"a: [1,\nb: 2\n", "not YAML (", "correct it"),
    "a list": (b"- 1\n- 2\n", "expected key: value lines at the top level"),
    "a word": (b"digits\n", "expected key: value lines at the top level"),
    "an object of Python": (b"a: !!python/name:os.system x\n", "not YAML (", "correct it"),
    "a list as a key": (b"[1]: 2\n? [3]\n: 4\n", "not YAML (", "correct it"),
    "no such date": (b"a: 2024-13-45\n", "not YAML that can be read", "correct it"),
    "JSON with a key twice": (b'{"a": 1, "b": {"c": 1, "c": 2}}', "c is there twice", "remove one"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    content, *parts = BROKEN[name]
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "expected " in message
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml: cannot be read \(No such file or directory"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("a: 0\nb: 0.5\nc: 1_000\nd: -7\ne: 1.0e-3\n", dict(a=0, b=0.5, c=1000, d=-7, e=1e-3)),
        ('a: "0200"\nb: "1:00"\nc: 00:a\nd: 089\n', dict(a="0200", b="1:00", c="00:a", d="089")),
        (
            "x: &base {a: 1}\ny: {<<: *base, a: 2}\nz: *base\n",
            dict(x={"a": 1}, y={"a": 2}, z={"a": 1}),
        ),
        ("---\na: 1\n...\n", dict(a=1)),
        ('{"a": 1e-3, "b":\t[1]}', dict(a=1e-3, b=[1])),
        ("\ufefftitle: Größe\n", dict(title="Größe")),
        ("a: null\n~: 1\n", {"a": None, None: 1}),
    ],
)
def test_unambiguous_yaml_is_accepted(text: str, content: dict[Any, Any], tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_yaml(path) == content


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *PRESETS, *CHECKS], ids=lambda p: p.stem)
def test_the_files_of_the_repository_are_read_as_snakemake_reads_them(path: Path) -> None:
    assert read_yaml(path) == load_configfile(path) == yaml.safe_load(path.read_text())
