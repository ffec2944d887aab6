"""What goes wrong with exports of recordings in laboratories.

A mutation changes the table, the numbers, the files or several of them, and says what a reader
should read from the result: `truth`, the fixations as they were, less those that are gone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from helpers.correct_exports import RELATIVE, STARTS_PER_DURATION, Export, Maker, Rng

Mutation = Callable[[Maker, Rng], Export]


def _scaled(across: float, down: float, about: float = 0.0) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        w, h = maker.size
        return maker.moved(
            lambda x, y: (
                about * w + across * (x - about * w),
                about * h + down * (y - about * h),
            )
        )

    return mutate


def _shifted(right: float, down: float) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        w, h = maker.size
        return maker.moved(lambda x, y: (x + right * w, y + down * h))

    return mutate


def _flipped(across: bool, down: bool) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        w, h = maker.size
        return maker.moved(lambda x, y: (w - x if across else x, h - y if down else y))

    return mutate


def _on_screen(width: int, height: int, how: str) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        w, h = maker.size
        scale = {"centered": 1.0, "fit": min(width / w, height / h)}.get(how, 0.0)
        if how == "stretched":
            return maker.moved(lambda x, y: (x * width / w, y * height / h))
        left, top = (width - scale * w) / 2, (height - scale * h) / 2
        return maker.moved(lambda x, y: (left + scale * x, top + scale * y))

    return mutate


def _in_unit(name: str) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        w, h = maker.size
        return maker.moved(
            {
                "fractions": lambda x, y: (x / w, y / h),
                "percent": lambda x, y: (100 * x / w, 100 * y / h),
                "degrees": lambda x, y: ((x - w / 2) / 24, (y - h / 2) / 24),
                "from the center": lambda x, y: (x - w / 2, y - h / 2),
                "from the center, up": lambda x, y: (x - w / 2, h / 2 - y),
            }[name]
        )

    return mutate


def _of_half(mutation: Mutation) -> Mutation:
    """Half of the subjects' positions are wrong, as when two laboratories' files are joined."""

    def mutate(maker: Maker, rng: Rng) -> Export:
        subjects = sorted({f.subject for f in maker.fixations})
        wrong = set(subjects[: len(subjects) // 2])
        part = replace(maker, fixations=[f for f in maker.fixations if f.subject in wrong])
        right = maker.of([f for f in maker.fixations if f.subject not in wrong])
        right.rows = mutation(part, rng).rows + right.rows
        return right

    return mutate


def _with_time(factor: float, *roles: str) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        made = maker.of()
        for role in roles:
            at = made.column(role)
            for row in made.rows:
                if row[at] not in ("", ".", "-"):
                    row[at] = f"{float(row[at]) * factor:.9g}"
        return made

    return mutate


def _dropped(role: str) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        made = maker.of()
        at = made.column(role)
        del made.header[at]
        for row in made.rows:
            del row[at]
        made.without = frozenset({role})
        return made

    return mutate


def _renamed(role: str, name: str) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        made = maker.of()
        made.header[made.column(role)] = name
        made.without = frozenset({role})
        return made

    return mutate


def _exchanged(one: str, other: str) -> Mutation:
    """The names of two columns are exchanged."""

    def mutate(maker: Maker, rng: Rng) -> Export:
        made = maker.of()
        a, b = made.column(one), made.column(other)
        made.header[a], made.header[b] = made.header[b], made.header[a]
        return made

    return mutate


def _shuffled(maker: Maker, rng: Rng) -> Export:
    made = maker.of()
    rng.shuffle(made.rows)
    return made


def _doubled(share: float) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        made = maker.of()
        n = max(1, round(share * len(made.rows)))
        chosen = rng.choice(len(made.rows), n, replace=False)
        made.rows += [list(made.rows[i]) for i in np.sort(chosen)]
        return made

    return mutate


def _column_moved(role: str) -> Mutation:
    """A column's cells stand a row too low."""

    def mutate(maker: Maker, rng: Rng) -> Export:
        made = maker.of()
        at = made.column(role)
        cells = [row[at] for row in made.rows]
        for row, cell in zip(made.rows, cells[-1:] + cells[:-1], strict=True):
            row[at] = cell
        return made

    return mutate


def _images_permuted(maker: Maker, rng: Rng) -> Export:
    """Each image has another one's fixations."""
    made = maker.of()
    at, names = made.column("image"), list(made.images)
    step = int(rng.integers(1, len(names)))
    next_one = {name: names[(i + step) % len(names)] for i, name in enumerate(names)}
    for row in made.rows:
        row[at] = next_one.get(row[at], row[at])
    return made


def _trials_permuted(maker: Maker, rng: Rng) -> Export:
    """Each subject's images are in an order of their own, and the list was another subject's."""
    made = maker.of()
    at, by, names = made.column("image"), made.column("subject"), list(made.images)
    lists: dict[str, dict[str, str]] = {}
    for row in made.rows:
        if row[by] not in lists:
            lists[row[by]] = dict(zip(names, rng.permutation(names), strict=True))
        row[at] = lists[row[by]].get(row[at], row[at])
    return made


def _other_folder(maker: Maker, rng: Rng) -> Export:
    """The files of the images' names are other images, of the same size."""
    made = maker.of()
    others = list(rng.permutation(np.array(maker.others, dtype=object)))[: len(made.images)]
    made.images = dict(zip(made.images, others, strict=True))
    return made


def _with_images(change: Callable[[Image.Image], Image.Image]) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        made = maker.of()
        made.changed = dict.fromkeys(made.images, change)
        return made

    return mutate


def _images_halved(maker: Maker, rng: Rng) -> Export:
    made = _with_images(lambda image: image.resize((maker.size[0] // 2, maker.size[1] // 2)))(
        maker, rng
    )
    if maker.layout in RELATIVE:
        made.truth = [replace(f, x=f.x / 2, y=f.y / 2) for f in made.truth]
    return made


def _images_missing(maker: Maker, rng: Rng) -> Export:
    made = maker.of()
    kept = sorted(rng.choice(list(made.images), 2 * len(made.images) // 3, replace=False))
    made.images = {name: made.images[name] for name in kept}
    made.truth = [f for f in made.truth if f.image in made.images]
    return made


def _mixed(kind: str) -> Mutation:
    """Rows that are no fixations stand among them, and no column says so."""

    def mutate(maker: Maker, rng: Rng) -> Export:
        made = maker.of()
        x, y, s, d = (made.column(role) for role in ("x", "y", "start", "duration"))
        rows = []
        for row, after in zip(made.rows, [*made.rows[1:], made.rows[0]], strict=True):
            rows.append(row)
            if kind == "saccades":
                try:
                    middle = [(float(row[i]) + float(after[i])) / 2 for i in (x, y)]
                except ValueError:
                    continue
                rows.append([*row])
                rows[-1][x], rows[-1][y] = map("{:.1f}".format, middle)
                if row[d] not in (".", "-"):
                    rows[-1][s] = (
                        f"{float(row[s]) + float(row[d]) * STARTS_PER_DURATION[made.layout]:.9g}"
                    )
                    rows[-1][d] = f"{float(row[d]) / 8:.4g}"
            elif rng.random() < 0.15:
                rows.append([*row])
                rows[-1][x] = rows[-1][y] = {"zeros": "0", "minus ones": "-1", "nothing": ""}[kind]
        made.rows = rows
        return made

    return mutate


def _cut(where: str) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        made = maker.of()
        share = rng.uniform(0.3, 0.9)

        def cut(text: bytes) -> bytes:
            at = int(share * len(text))
            if where == "at a line's end":
                at = text.index(b"\n", at) + 1
            return text[:at] if where != "at the head" else text[at:]

        made.text = cut
        made.without = frozenset({"end"})
        return made

    return mutate


def _rewritten(change: Callable[[str], bytes]) -> Mutation:
    def mutate(maker: Maker, rng: Rng) -> Export:
        made = maker.of()
        made.text = lambda text: change(text.decode())
        return made

    return mutate


def _unchanged(maker: Maker, rng: Rng) -> Export:
    return maker.of()


def _other_axis(maker: Maker, rng: Rng) -> Export:
    return maker.moved(lambda x, y: (y, x))


KINDS: dict[str, list[Mutation]] = {
    "unchanged": [_unchanged],
    "scaled": [
        *(_scaled(s, s) for s in (0.5, 0.8, 0.9, 1.1, 1.25, 2)),
        *(_scaled(s, s, 0.5) for s in (0.8, 0.9, 1.1, 1.25)),
        *(_scaled(s, 1) for s in (0.8, 1.25)),
        *(_scaled(1, s) for s in (0.8, 1.25)),
    ],
    "shifted": [
        _shifted(*by)
        for by in (
            (0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1), (0.1, 0.1), (-0.1, 0.1), (0.2, 0),
            (0, -0.2), (-0.2, 0.2),
        )
    ],
    "flipped": [_flipped(True, False), _flipped(False, True), _flipped(True, True)],
    "axes": [_other_axis, _exchanged("x", "y")],
    "screen": [
        _on_screen(*screen, how)
        for screen in ((1024, 768), (1920, 1080), (1280, 1024))
        for how in ("centered", "fit", "stretched")
    ],
    "unit of position": [
        _in_unit(name)
        for name in ("fractions", "percent", "degrees", "from the center", "from the center, up")
    ],
    "half of the subjects": [
        _of_half(one)
        for one in (
            _flipped(True, False), _flipped(False, True), _scaled(0.5, 0.5), _scaled(1.25, 1.25),
            _shifted(0.2, 0), _on_screen(1920, 1080, "centered"), _in_unit("fractions"),
            _in_unit("percent"), _images_permuted,
        )
    ],
    "unit of time": [
        _with_time(factor, *roles)
        for factor in (1000, 1e-3, 1e6)
        for roles in (("start", "duration"), ("duration",), ("start",))
    ],
    "dropped": [_dropped(r) for r in ("image", "subject", "x", "y", "order", "start", "duration")],
    "renamed": [
        *(_renamed(role, "V7") for role in ("image", "subject", "x", "y", "order", "duration")),
        _renamed("duration", "x_old"), _renamed("subject", "trial"), _renamed("start", "order_"),
    ],
    "columns exchanged": [
        _exchanged("image", "subject"), _exchanged("start", "duration"), _exchanged("x", "start"),
        _exchanged("x", "duration"), _exchanged("order", "start"), _exchanged("order", "y"),
    ],
    "shuffled": [_shuffled],
    "doubled": [_doubled(1), _doubled(0.1), _doubled(0.01)],
    "off by one": [_column_moved(role) for role in ("image", "subject", "x", "order", "start")],
    "images exchanged": [_images_permuted, _trials_permuted],
    "mixed": [_mixed(kind) for kind in ("saccades", "zeros", "minus ones", "nothing")],
    "cut": [_cut(where) for where in ("anywhere", "anywhere", "at a line's end", "at the head")],
    "images": [
        _other_folder, _images_missing, _images_halved,
        _with_images(lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        _with_images(lambda i: i.transpose(Image.Transpose.ROTATE_180)),
        _with_images(lambda i: i.crop((80, 60, 720, 540))),
    ],
    "rewritten": [
        _rewritten(lambda text: text.encode("utf-16")),
        _rewritten(lambda text: text.replace("\n", "\r\n").encode("utf-8-sig")),
        _rewritten(lambda text: text.replace(".", ",").encode()),
        _rewritten(lambda text: text.replace(",", ";").replace("\t", ";").encode()),
    ],
}  # fmt: skip


def mutations(n: int, seed: int, makers: Sequence[Maker]) -> Iterator[tuple[str, Export]]:
    """Yield n mutated exports with what was done: kinds, what of them and layouts at random."""
    rng = np.random.default_rng(seed)
    pairs = [(kind, number) for kind, found in KINDS.items() for number in range(len(found))]
    order = [pairs[i] for i in rng.permutation(len(pairs))]
    made = 0
    while made < n:
        kind, number = order[made % len(order)]
        maker = makers[int(rng.integers(len(makers)))]
        try:
            changed = KINDS[kind][number](maker, rng)
        except (KeyError, ValueError):  # this layout has no such column
            maker = next(m for m in makers if m.layout == "own")
            changed = KINDS[kind][number](maker, rng)
        made += 1
        yield f"{kind} {number}, {maker.layout}", changed
