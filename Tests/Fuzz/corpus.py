"""The kept corpora: one zip for each target in corpus/, beside them the byte vectors of the conformance suite as seeds.

corpus.py unpack TARGET FOLDER   every kept input and seed, a file each
corpus.py pack TARGET FOLDER     keeps the inputs in FOLDER; equal inputs make an equal zip"""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
CALL = 2


def seeds(target: str) -> list[bytes]:
    """Byte vectors as inputs of a target: whole for the parser, the metadata of their first CALL for its message."""
    sent = [bytes.fromhex(vector["send"]) for vector in json.loads((HERE / "../../conformance/vectors.json").read_text())["vectors"]]
    if target == "frames":
        return [data for data in sent if len(data) <= 4_096]
    if target == "metadata":
        sizes = [(data, int.from_bytes(data[6:8], "big")) for data in sent if len(data) >= 12 and data[4] == CALL]
        return [b"\0" + data[12 : 12 + size] for data, size in sizes if 0 < size < 2_000]
    return []


def unpack(target: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kept = HERE / f"corpus/{target}.zip"
    inputs = seeds(target)
    if kept.exists():
        with zipfile.ZipFile(kept) as archive:
            inputs += [archive.read(name) for name in archive.namelist()]
    for data in inputs:
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(target: str, folder: Path) -> None:
    kept = {hashlib.sha1(file.read_bytes()).hexdigest(): file.read_bytes() for file in folder.iterdir()}
    with zipfile.ZipFile(HERE / f"corpus/{target}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(kept):
            archive.writestr(zipfile.ZipInfo(name), kept[name], zipfile.ZIP_DEFLATED)
    print(f"{target}: {len(kept)} inputs kept")


if __name__ == "__main__":
    {"unpack": unpack, "pack": pack}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
