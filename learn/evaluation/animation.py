"""Films side by side as an animated GIF."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from hamsym.arguments import integer, real, shown
from hamsym.errors import NonFiniteError, ParameterError, ShapeError
from hamsym.files import whole

#: Greys of a film in the file; few of them compress well and look the same.
_GREYS = 32
_LETTERS, _MARGIN = 12, 2
_LARGEST = 1 << 24
#: Seconds of a picture; the file counts hundredths in two bytes.
_LONGEST = 655.0


def save_gif(
    path: str | os.PathLike[str],
    rows: Mapping[str, Mapping[str, np.ndarray | Tensor]],
    *,
    scale: int = 3,
    seconds_per_frame: float = 0.1,
) -> None:
    """Write films into an animated GIF, a table with a label on every film; the file is whole or not there.

    Arguments:
        path: of the file.
        rows: for each row, its films by column: the label of a film is "row: column".  Films have shape (time, height,
            width), one size for all, numbers in [0, 1] (what is outside is cut) or bytes; a shorter one stops at its
            last picture.
        scale: pixels of the file for one of a film, in a row and in a column.
        seconds_per_frame: how long each picture stands.

    Raises:
        ShapeError: for films that are no films, or of several sizes.
        NonFiniteError: for a number that is not finite.
        ParameterError: for no film at all, or more pixels than anyone wants to see.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> moving = np.eye(8)[:, None, :] * np.ones((8, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_gif(folder + "/bar.gif", {"truth": {"forward": moving, "backward": moving[::-1]}}, scale=2)
        ...     with Image.open(folder + "/bar.gif") as found:
        ...         found.n_frames, found.size
        (8, (38, 32))
    """
    from PIL import Image, ImageDraw

    scale = integer("scale", scale, minimum=1, maximum=64)
    pause = real("seconds_per_frame", seconds_per_frame, above=0, maximum=_LONGEST)
    if not isinstance(path, (str, os.PathLike)) or "\0" in os.fspath(path) or Path(path).is_dir():
        raise ParameterError(f"path is that of a file, not {shown(path)}")
    if not isinstance(rows, Mapping) or not all(isinstance(films, Mapping) for films in rows.values()):
        raise ParameterError("rows are films by column, by row: {'row': {'column': film}}")
    table = [[(f"{row}: {column}", _greys(f"{row}: {column}", film)) for column, film in films.items()]
             for row, films in rows.items()]  # fmt: skip
    every = [film for films in table for _, film in films]
    if not every:
        raise ParameterError("there is no film to show")
    if len({film.shape[1:] for film in every}) > 1:
        raise ShapeError(f"films have one size, not {sorted({film.shape[1:] for film in every})}")
    high, wide = (scale * n for n in every[0].shape[1:])
    line, column = high + _LETTERS + _MARGIN, wide + _MARGIN
    size = max(map(len, table)) * column + _MARGIN, len(table) * line + _MARGIN
    times = max(map(len, every))
    if size[0] * size[1] > _LARGEST or times * size[0] * size[1] > 64 * _LARGEST:
        raise ParameterError(
            f"{times} pictures of {size[0]} x {size[1]} pixels are too many; take a smaller scale"
        )
    blank = Image.new("P", size, _GREYS)
    blank.putpalette(_palette())
    pen = ImageDraw.Draw(blank)
    pen.fontmode = "1"  # letters without grey edges, which the palette does not have
    for i, films in enumerate(table):
        for j, (label, _) in enumerate(films):
            pen.text((_MARGIN + j * column, i * line), label, fill=0, font_size=9)
    pictures = []
    for k in range(times):
        picture = blank.copy()
        for i, films in enumerate(table):
            for j, (_, film) in enumerate(films):
                large = film[min(k, len(film) - 1)].repeat(scale, 0).repeat(scale, 1)
                picture.paste(Image.fromarray(large), (_MARGIN + j * column, _LETTERS + i * line))
        pictures.append(picture)
    with whole(path) as partly:
        pictures[0].save(
            partly, "GIF", save_all=True, append_images=pictures[1:], duration=max(20, round(1000 * pause)), loop=0,
            optimize=False,
        )  # fmt: skip


def _palette() -> Sequence[int]:
    """Greys from black to white, then the white of the margin."""
    greys = np.linspace(0, 255, _GREYS).round().astype(int)
    return [int(level) for grey in (*greys, 255) for level in (grey, grey, grey)]


def _greys(label: str, film: np.ndarray | Tensor) -> np.ndarray:
    """The film in numbers of the palette, bytes."""
    try:
        pictures = film.detach().cpu().numpy() if isinstance(film, Tensor) else np.asarray(film)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{label}: a film is an array of pictures of one size: {error}") from error
    if pictures.ndim != 3 or 0 in pictures.shape or pictures.dtype.kind not in "fu":
        raise ShapeError(
            f"{label}: a film is an array of shape (time, height, width), not of {pictures.shape}, {pictures.dtype}"
        )
    light = pictures / 255 if pictures.dtype == np.uint8 else pictures
    if not np.isfinite(light).all():
        raise NonFiniteError(f"{label}: the film holds numbers that are not finite")
    found: np.ndarray = np.rint(np.clip(light, 0, 1) * (_GREYS - 1)).astype(np.uint8)
    return found
