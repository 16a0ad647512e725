"""
Are two samples of one measurement different, and by how much? Neither answer asks for a normal distribution: times of a
shared machine have none, and there are five to twenty repeats of most.
"""
import itertools
import math
import random
import statistics

EXACT_MAX = 20000  # ways to divide the values in two; more of them, and the normal approximation is good


def ranks(values):
    """The rank of each value, from 1; equal ones share theirs. And the correction for ties of the variance."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result, ties, at = [0.0] * len(values), 0, 0
    while at < len(order):
        end = at
        while end < len(order) and values[order[end]] == values[order[at]]:
            end += 1
        for i in order[at:end]:
            result[i] = (at + 1 + end) / 2
        ties += (end - at) ** 3 - (end - at)
        at = end
    return result, ties


def _p_exact(ranked, n, ranks_a):
    """How many of all divisions are at least as far from the middle as this one. Right with ties, too."""
    middle = n * (len(ranked) + 1) / 2
    far = abs(ranks_a - middle) - 1e-9
    sums = [sum(chosen) for chosen in itertools.combinations(ranked, n)]
    return sum(abs(s - middle) >= far for s in sums) / len(sums)


def mann_whitney(a, b):
    """
    Cliff's delta of a above b, from -1 to 1, and the two-sided p (Mann and Whitney, "On a test of whether one of two
    random variables is stochastically larger than the other", 1947): exact for small samples, else by the normal
    approximation with its correction for ties.
    """
    n, m = len(a), len(b)
    ranked, ties = ranks(a + b)
    u = sum(ranked[:n]) - n * (n + 1) / 2
    if math.comb(n + m, n) <= EXACT_MAX:
        p = _p_exact(ranked, n, sum(ranked[:n]))
    else:
        variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
        z = (u - n * m / 2) / math.sqrt(variance) if variance else 0.0
        p = math.erfc(abs(z) / math.sqrt(2))
    return 2 * u / (n * m) - 1, p


def p_least(n, m):
    """The p of samples that do not overlap at all: with few repeats even that is no proof."""
    return 2 / math.comb(n + m, n)


def ratio_interval(before, after, level=0.95, resamples=2000):
    """Where the ratio of the medians lies, by the percentile bootstrap (Efron, "Bootstrap methods: another look at the
    jackknife", 1979). The same for the same samples. For samples above 0."""
    chance = random.Random(1)
    ratios = sorted(statistics.median(chance.choices(after, k=len(after))) /
                    statistics.median(chance.choices(before, k=len(before))) for _ in range(resamples))
    tail = (1 - level) / 2
    return ratios[int(tail * resamples)], ratios[min(resamples - 1, int((1 - tail) * resamples))]
