"""CSV."""

from pathlib import Path

from . import case
from .writing import text


@case(0)
def csv_of_a_header(folder: Path) -> Path:
    return text(folder / "f.csv", "n,lon,lat\n")


@case(2)
def csv_in_latin_1(folder: Path) -> Path:
    return text(folder / "f.csv", "name,lon,lat\nGröße,1,1\nb,2,2\n".encode("latin-1"))


@case(2, "--encoding", "ISO-8859-1")
def csv_in_latin_1_and_told_so(folder: Path) -> Path:
    return csv_in_latin_1(folder)


@case(2)
def csv_in_utf16(folder: Path) -> Path:
    return text(folder / "f.csv", "name,lon,lat\na,1,1\nb,2,2\n".encode("utf-16"))


@case(2)
def csv_with_bom(folder: Path) -> Path:
    return text(folder / "f.csv", b"\xef\xbb\xbflon,lat,name\n1,1,a\n2,2,b\n")


@case(2)
def csv_with_semicolons(folder: Path) -> Path:
    return text(folder / "f.csv", "lon;lat;name\n1.5;1;a\n2;2;b\n")


@case(2)
def csv_with_decimal_commas(folder: Path) -> Path:
    return text(folder / "f.csv", "lon;lat;name\n1,5;1,5;a\n2,5;2,5;b\n")


@case(3)
def csv_with_ragged_rows(folder: Path) -> Path:
    return text(folder / "f.csv", "n,lon,lat,name\n1,1,1,a\n2,2,2\n3,3,3,c,more,and more\n")


@case(2)
def csv_with_empty_values_at_the_end(folder: Path) -> Path:
    return text(folder / "f.csv", "n,lon,lat\r\n1,1,1,,\r\n\r\n2,2,2,,\r\n")


@case(2)
def csv_with_an_open_quote(folder: Path) -> Path:
    return text(folder / "f.csv", 'n,lon,lat,name\n1,1,1,"a\n2,2,2,b\n')


@case(2)
def csv_with_lines_in_its_cells(folder: Path) -> Path:
    return text(folder / "f.csv", 'n,lon,lat,name\n1,1,1,"two\nlines, ""quoted"""\n2,2,2,b\n')


@case(3)
def csv_with_broken_wkt(folder: Path) -> Path:
    return text(folder / "f.csv", 'n,wkt\n1,POINT (1 1)\n2,POINT (1\n3,nonsense\n')


@case(3, "--max-rejects", "2")
def csv_with_broken_wkt_allowed(folder: Path) -> Path:
    return csv_with_broken_wkt(folder)


@case(2)
def csv_with_the_same_header_twice(folder: Path) -> Path:
    return text(folder / "f.csv", "name,name,lon,lat\na,b,1,1\nc,d,2,2\n")


@case(2)
def csv_without_coordinates(folder: Path) -> Path:
    return text(folder / "f.csv", "name,value\na,1\nb,2\n")


@case(2)
def csv_with_latitude_and_longitude_swapped(folder: Path) -> Path:
    return text(folder / "f.csv", "lat,lon\n120,10\n130,20\n")


@case(2)
def csv_with_metres(folder: Path) -> Path:
    return text(folder / "f.csv", "x,y\n500000,5500000\n500100,5500100\n")


@case(2, "--crs", "EPSG:25832")
def csv_with_metres_and_their_crs(folder: Path) -> Path:
    return csv_with_metres(folder)


@case(3)
def csv_with_two_srids(folder: Path) -> Path:
    return text(folder / "f.csv", 'n,wkt\n1,SRID=4326;POINT (1 1)\n2,SRID=3857;POINT (1 1)\n3,POINT (1 1)\n')


@case(3)
def csv_with_rows_without_coordinates(folder: Path) -> Path:
    return text(folder / "f.csv", "n,lon,lat\n1,1,1\n2,,\n3,3,\n")


@case(2)
def csv_with_codes_that_look_like_numbers(folder: Path) -> Path:
    return text(folder / "f.csv", "code,big,lon,lat\n007,12345678901234567890,1,1\n010,2,2,2\n")


@case(2)
def csv_with_a_zero_byte(folder: Path) -> Path:
    return text(folder / "f.csv", b"name,lon,lat\na\x00b,1,1\nc,2,2\n")
