"""What a compression kept and lost."""

from __future__ import annotations

from html import escape
from typing import Any


class Report:
    """A JSON object as the program writes it: its fields are attributes, objects in it are reports, too.

    `compress` gives `dense_bytes`, `compressed_bytes`, `ratio`, `settings`, `held_back_snr_db` (with `target_snr`), `snr_db`
    (output signal-to-noise ratio in dB on up to 512 of the calibration rows), `layers`, `growth`, `kept_dense`, `assumed`. A
    layer has `inputs`, `outputs`, `edges`, `codewords`, `stages`, `dense_bytes`, `compressed_bytes`, `ratio`, `r2`, `gains`,
    `base`, `bias`.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return _wrapped(self._fields[name])
        except KeyError:
            raise AttributeError(f"the report has no field {name!r}, it has {', '.join(self._fields)}") from None

    def __getitem__(self, name: str) -> Any:
        return _wrapped(self._fields[name])

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._fields]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Report) and self._fields == other._fields

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain dictionaries and lists, for JSON or a data frame."""
        return self._fields

    def __repr__(self) -> str:
        return summary(self._fields) if "ratio" in self._fields and "layers" in self._fields else f"Report({self._fields!r})"

    def _repr_html_(self) -> str:
        if "layers" not in self._fields:
            return f"<pre>{escape(repr(self))}</pre>"
        head = "".join(f"<th>{name}</th>" for name in ("layer", "shape", *_COLUMNS))
        lines = []
        for at, layer in enumerate(self._fields["layers"]):
            cells = [str(at), f"{layer['inputs']}&rarr;{layer['outputs']}", *(_cell(layer, name) for name in _COLUMNS)]
            lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        return f"<p>{escape(totals(self._fields))}</p><table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


_COLUMNS = ("edges", "codewords", "dense_bytes", "compressed_bytes", "ratio", "r2")


def _wrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return Report(value)
    if isinstance(value, list):
        return [_wrapped(entry) for entry in value]
    return value


def _cell(layer: dict[str, Any], name: str) -> str:
    value = layer.get(name)
    if value is None:
        return ""
    if name == "r2":
        return f"{value:.4f}"
    return f"{value:.1f}" if isinstance(value, float) else f"{value:,}"


def totals(fields: dict[str, Any]) -> str:
    """Sizes, ratio and signal-to-noise ratio in one line."""
    parts = [
        f"{fields['dense_bytes']:,} bytes dense",
        f"{fields['compressed_bytes']:,} compressed",
        f"{fields['ratio']:.1f}x smaller",
    ]
    if fields.get("held_back_snr_db") is not None:
        parts.append(f"{fields['held_back_snr_db']:.1f} dB on rows held back")
    elif fields.get("snr_db") is not None:
        parts.append(f"{fields['snr_db']:.1f} dB on calibration rows")
    return ", ".join(parts)


def summary(fields: dict[str, Any]) -> str:
    """A line a layer and one for the file."""
    rows = [["layer", "shape", "edges", "codewords", "dense", "compressed", "ratio", "R2"]]
    for at, layer in enumerate(fields["layers"]):
        rows.append([str(at), f"{layer['inputs']}->{layer['outputs']}", *(_cell(layer, name) for name in _COLUMNS)])
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows]
    return "\n".join([*lines, totals(fields)])
