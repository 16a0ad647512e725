"""
Plots as inline SVG: bars with their spread, lines, and latencies by percentile. Colours and fonts come from the page's
style sheet (report.css), so that one drawing serves light, dark and print. Lines are named where they end, not in a key,
and differ by dashes and marks as well as by colour. Nothing here is told by colour alone.
"""
import html
import math

LETTER, BOLD = 6.6, 7.6  # width of one in px, about
TICKS = 5
SHAPES = ("circle", "square", "diamond", "triangle")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
COLOURS = 8  # of the style sheet; a ninth line begins anew


def text(value):
    return html.escape(str(value), quote=True)


def number(value):
    """Short, for an axis: 0.5, 20, 1.5k, 2M."""
    value = float(f"{value:.3g}")
    for limit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{sign}"
    return f"{value:.3g}"


def amount(value):
    """In full, for a bar: 0.5, 20, 1,500."""
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 100 else f"{value:.3g}"


class Scale:
    """From values to pixels, linear or logarithmic; 0 and less has no place on a logarithmic one and goes to its edge."""

    def __init__(self, values, start, end, log=False):
        self.log = log and any(v > 0 for v in values)
        values = [v for v in values if v > 0] if self.log else [0.0, *values]
        self.low, self.high = min(values), max(values)
        if self.log:
            self.low, self.high = self.low / 1.1, self.high * 1.1
        elif self.low == self.high:
            self.high = self.low + 1
        self.start, self.end = start, end

    def _share(self, value):
        if self.log:
            return math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def __call__(self, value):
        return round(self.start + (self.end - self.start) * self._share(value), 1)

    def _linear_ticks(self):
        step = (self.high - self.low) / TICKS
        power = 10 ** math.floor(math.log10(step))
        step = next(power * n for n in (1, 2, 5, 10) if power * n >= step)
        return [step * i for i in range(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)]

    def _log_ticks(self):
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        wide = math.log10(self.high / self.low) > 2.5
        values = [10.0 ** d * n for d in decades for n in ((1,) if wide else (1, 2, 5))]
        inside = [v for v in values if self.low <= v <= self.high]
        return inside[:: math.ceil(len(inside) / 8)] if inside else [self.low]

    def ticks(self):
        return self._log_ticks() if self.log else self._linear_ticks()


def svg(width, height, label, parts):
    return (f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{text(label)}">'
            + "".join(parts) + "</svg>")


def label(x, y, words, anchor="start", kind=""):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" class="{kind}">{text(words)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{kind}"/>'


# --- bars ---

BAR = 38  # px for each, its name above it


def bars(plot, width):
    """A bar as long as the median, its name above it, the spread as a whisker, the value at its end. authd's has the
    colour where others stand beside it."""
    rows = [(b["name"], sorted(r for r in b["repeats"] if r is not None)) for b in plot["bars"]]
    rows = [(name, seen) for name, seen in rows if seen]
    if not rows:
        return svg(width, 24, plot["title"], [label(0, 16, "nothing was measured", kind="quiet")])
    words = {name: f"{amount(median(seen))} {plot['unit']}".strip() for name, seen in rows}
    room = max(len(w) for w in words.values()) * BOLD + 10
    ours = any(name.startswith("authd") for name, _ in rows)
    x = Scale([v for _, seen in rows for v in seen], 0, width - room)
    parts = []
    for i, (name, seen) in enumerate(rows):
        y, end = i * BAR, x(median(seen))
        kind = "s0" if name.startswith("authd") or not ours else "other"
        parts += [label(0, y + 13, name), f'<rect x="0" y="{y + 19}" width="{max(end, 1)}" height="12" class="bar {kind}"/>']
        if len(seen) > 1:
            low, high = x(seen[0]), x(seen[-1])
            parts += [line(low, y + 25, high, y + 25, "whisker"), line(low, y + 21, low, y + 29, "whisker"),
                      line(high, y + 21, high, y + 29, "whisker")]
            end = max(end, high)
        parts.append(label(end + 6, y + 29, words[name], kind="value"))
    return svg(width, len(rows) * BAR, plot["title"], parts)


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


# --- lines ---

def mark(shape, x, y, kind):
    if shape == "circle":
        return f'<circle cx="{x}" cy="{y}" r="3.5" class="{kind}"/>'
    points = {"square": ((-3, -3), (3, -3), (3, 3), (-3, 3)), "diamond": ((0, -4.5), (4.5, 0), (0, 4.5), (-4.5, 0)),
              "triangle": ((0, -4), (4, 3.5), (-4, 3.5))}[shape]
    return f'<polygon points="{" ".join(f"{x + dx},{y + dy}" for dx, dy in points)}" class="{kind}"/>'


def spread_out(places, least, low, high):
    """Heights of labels that are not nearer to each other than that, as near as possible to where they belong."""
    order = sorted(range(len(places)), key=places.__getitem__)
    result, edge = [0.0] * len(places), low
    for i in order:
        result[i] = max(places[i], edge)
        edge = result[i] + least
    edge = high
    for i in reversed(order):
        result[i] = min(result[i], edge)
        edge = result[i] - least
    return result


TOP = 26  # px; the name of the axis is above


class Frame:
    """Axes with light lines at their ticks, and room to the right for the names of lines."""

    def __init__(self, width, names, xs, ys, log_x, log_y, height=260):
        self.width, self.height, self.bottom = width, height, height - 40
        room = min(max((len(n) for n in names), default=0) * LETTER + 12, width * 0.42)
        self.y = Scale(ys, self.bottom, TOP, log_y)
        self.left = max(len(number(t)) for t in self.y.ticks()) * LETTER + 10
        self.right = width - room
        self.x = Scale(xs, self.left, self.right, log_x)

    def axes(self, x_name, y_name, x_ticks=None):
        parts, last = [], -100.0
        for tick in self.y.ticks():
            y = self.y(tick)
            parts += [line(self.left, y, self.right, y, "grid"), label(self.left - 6, y + 4, number(tick), "end", "quiet")]
        for value, words in x_ticks or [(t, number(t)) for t in self.x.ticks()]:
            x, half = self.x(value), len(words) * LETTER / 2
            if x - half < last + 6:  # no room for it
                continue
            last = x + half
            parts += [line(x, self.bottom, x, self.bottom + 4, "axis"), label(x, self.bottom + 17, words, "middle", "quiet")]
        parts += [line(self.left, self.bottom, self.right, self.bottom, "axis"),
                  label((self.left + self.right) / 2, self.height - 5, x_name, "middle", "quiet"),
                  label(0, 9, y_name, "start", "quiet")]
        return parts

    def names(self, ends):
        """ends: (y, name, kind) of each line at its right end."""
        places = spread_out([y for y, _, _ in ends], 14, 14, self.bottom)
        return [label(self.right + 8, y + 4, name, kind=kind) for y, (_, name, kind) in zip(places, ends)]


def colour(i):
    return f"s{i % COLOURS}"


def path(points, i):
    """The ith line of a plot."""
    coordinates, dash = " ".join(f"{x},{y}" for x, y in points), DASHES[i % len(DASHES)]
    return f'<polyline points="{coordinates}" class="line {colour(i)}"' + (f' stroke-dasharray="{dash}"' if dash else "") + "/>"


MARKS_MAX = 24  # points of a line; more are a curve of their own


def lines(plot, width):
    series = [(s["name"], [p for p in s["points"] if None not in p[:2]]) for s in plot["lines"]]
    series = [(name, points) for name, points in series if points]
    limits = [(limit["name"], limit["y"]) for limit in plot["limits"]]
    if not series:
        return svg(width, 24, plot["title"], [label(0, 16, "nothing was measured", kind="quiet")])
    ys = [v for _, points in series for p in points for v in p[1:]] + [y for _, y in limits]
    frame = Frame(width, [n for n, _ in series] + [n for n, _ in limits], [p[0] for _, points in series for p in points], ys,
                  plot["log_x"], plot["log_y"])
    parts, ends = frame.axes(plot["x"], plot["y"]), []
    for name, y in limits:
        parts.append(line(frame.left, frame.y(y), frame.right, frame.y(y), "limit"))
        ends.append((frame.y(y), name, "quiet"))
    for i, (name, points) in enumerate(series):
        for p in points:
            if len(p) == 4:
                parts.append(line(frame.x(p[0]), frame.y(p[2]), frame.x(p[0]), frame.y(p[3]), f"whisker {colour(i)}"))
        at = [(frame.x(p[0]), frame.y(p[1])) for p in points]
        parts.append(path(at, i))
        if len(at) <= MARKS_MAX:
            parts += [mark(SHAPES[i % len(SHAPES)], x, y, f"mark {colour(i)}") for x, y in at]
        ends.append((at[-1][1], name, f"name {colour(i)}"))
    return svg(width, frame.height, plot["title"], parts + frame.names(ends))


# --- latencies ---

PERCENTILES = ((2, "50 %"), (10, "90 %"), (100, "99 %"), (1e3, "99.9 %"), (1e4, "99.99 %"), (1e5, "99.999 %"))


def percentile_steps(buckets):
    """(1 / the share that took longer, ms): both ends of each step, up to the last percentile that one request made."""
    total, before = sum(count for _, count in buckets), 0
    for nanoseconds, count in buckets:
        for seen in (before, before + count):
            yield min(total / max(total - seen, 1), total), nanoseconds / 1e6
        before += count


def latency(plot, width):
    """Both axes logarithmic: each tick to the right is a tenth of the requests that are left."""
    series = [(s["name"], list(percentile_steps(s["buckets"]))) for s in plot["lines"] if s["buckets"]]
    if not series:
        return svg(width, 24, plot["title"], [label(0, 16, "nothing was measured", kind="quiet")])
    xs = [x for _, points in series for x, _ in points]
    frame = Frame(width, [name for name, _ in series], [*xs, 2], [y for _, points in series for _, y in points], True, True)
    parts = frame.axes("of requests were as fast or faster", "ms", [p for p in PERCENTILES if p[0] <= max(xs)])
    ends = []
    for i, (name, points) in enumerate(series):
        at = [(frame.x(x), frame.y(y)) for x, y in points]
        parts.append(path(at, i))
        ends.append((at[-1][1], name, f"name {colour(i)}"))
    return svg(width, frame.height, plot["title"], parts + frame.names(ends))


DRAWN = {"bars": bars, "lines": lines, "latency": latency}


def draw(plot, width):
    return DRAWN[plot["kind"]](plot, width)
