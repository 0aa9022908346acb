"""What it may cost to make one picture of many scenes.

rio-tiler reads scene after scene until the picture is full (`first`), or all of them: some methods then keep one picture, the others
every scene's until the last is read, so that memory grows with the number of scenes.
"""

from rio_tiler.mosaic.methods import PixelSelectionMethod
from rio_tiler.mosaic.methods.base import MosaicMethodBase

from .problems import Problem
from .raster_parameters import MOST_PIXELS

# Values that are kept at once: 0.7 GB for the median of bytes, 1.9 GB for that of doubles.
MOST_KEPT = MOST_PIXELS
# Values that a request may read: a tile of 512 pixels with four bands of a thousand scenes, which is as many as a mosaic has.
MOST_READ = 25 * MOST_PIXELS

_FIRST = PixelSelectionMethod.first.value
# What is not named here counts as one that keeps all: who adds a method to rio-tiler does not know of this list.
_KEEPS_ONE = frozenset(PixelSelectionMethod[name].value for name in ("first", "highest", "lowest", "lastbandlow", "lastbandhigh"))


class SceneWork:
    """The work of one request, picture by picture."""

    def __init__(self) -> None:
        self._read = 0

    @staticmethod
    def counts(method: type[MosaicMethodBase]) -> bool:
        """Whether a method reads all scenes. `first` ends when the picture is full, which nobody knows beforehand."""
        return method is not _FIRST

    def add(self, method: type[MosaicMethodBase], scenes: int, pixels: int, bands: int) -> None:
        """Counts a picture before anything of it is read. Raises a problem where it is too much."""
        if scenes < 2 or not self.counts(method):
            return
        values = scenes * pixels * bands
        self._read += values
        told = f"pixel_selection: {scenes} scenes lie there, of each of which {pixels} pixels of {bands} bands"
        if method not in _KEEPS_ONE and values > MOST_KEPT:
            raise Problem(400, "INVALID_PARAMETER", f"{told} are kept at once: a smaller picture or place, fewer bands, or first")
        if self._read > MOST_READ:
            raise Problem(400, "INVALID_PARAMETER", f"{told} are read: a smaller picture or place, fewer bands, or first")
