"""Workbooks as Excel writes them, of nothing but cells."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZipFile

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_TYPES = (
    '<Default Extension="rels"'
    ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
)
_DAY_0 = date(1899, 12, 30)
_DATES = (
    f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts>'
    '<fills count="1"><fill><patternFill/></fill></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'
)

Cell = str | float | bool | date | None


def write_workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> Path:
    """Write sheets; a cell that is None is not there."""
    with ZipFile(path, "w") as file:
        names, links, types = "", "", _TYPES
        for i, (name, rows) in enumerate(sheets.items(), 1):
            names += f'<sheet name={quoteattr(name)} sheetId="{i}" r:id="r{i}"/>'
            links += f'<Relationship Id="r{i}" Type="{_OFFICE}/worksheet" Target="s{i}.xml"/>'
            types += f'<Override PartName="/xl/s{i}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
            file.writestr(f"xl/s{i}.xml", _sheet(rows))
        links += f'<Relationship Id="r0" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        file.writestr("xl/styles.xml", _DATES)
        file.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{names}</sheets></workbook>',
        )
        relations = f'<Relationships xmlns="{_PACKAGE}/relationships">'
        file.writestr("xl/_rels/workbook.xml.rels", f"{relations}{links}</Relationships>")
        start = f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        file.writestr("_rels/.rels", f"{relations}{start}</Relationships>")
        file.writestr(
            "[Content_Types].xml", f'<Types xmlns="{_PACKAGE}/content-types">{types}</Types>'
        )
    return path


def _sheet(rows: Sequence[Sequence[Cell]]) -> str:
    lines = ""
    for i, row in enumerate(rows, 1):
        cells = (_cell(f"{chr(65 + j)}{i}", cell) for j, cell in enumerate(row))
        lines += f'<row r="{i}">{"".join(cells)}</row>'
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{lines}</sheetData></worksheet>'


def _cell(place: str, cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, date):
        return f'<c r="{place}" s="1"><v>{(cell - _DAY_0).days}</v></c>'
    return f'<c r="{place}"><v>{cell!r}</v></c>'
