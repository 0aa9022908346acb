"""What check-folder finds out, and the table it shows of that."""

from dataclasses import dataclass, field


@dataclass
class Row:
    """What was found out about one file, or about many as one."""

    file: str
    said: str = ""
    source: int | None = None
    served: int | None = None
    dropped: int = 0
    attributes: str = "-"
    stac: str = "-"
    tile: str = "-"
    seconds: float = 0
    faults: list[str] = field(default_factory=list)


def show(rows: list[Row]) -> None:
    head = ["file", "ogrinfo", "served", "dropped", "attributes", "STAC", "tile", "seconds", "result"]
    table = [head]
    for row in rows:
        counts = ["-" if value is None else str(value) for value in (row.source, row.served)]
        result = "ok" if not row.faults else "MISMATCH"
        table.append([row.file, *counts, str(row.dropped), row.attributes, row.stac, row.tile, f"{row.seconds:.1f}", result])
    widths = [max(len(line[column]) for line in table) for column in range(len(head))]
    print()
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print()
    for row in rows:
        for text in filter(None, [row.said, *row.faults]):
            print(f"{row.file}: {text}")
