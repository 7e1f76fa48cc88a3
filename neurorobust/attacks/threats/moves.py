"""The loop over events that retiming spends its time in."""

from numba import njit

from neurorobust.ir import Array


@njit(cache=True)
def move_events(
    held: Array,
    time: Array,
    line: Array,
    liked: Array,
    *,
    reach: int,
    high: int,
    total: int,
    moved: int,
) -> None:
    """Move events, one after the other, to the free bin they like best.

    Args:
        held: Counts, shape (T, N), changed in place.
        time: Bin of each event, shape (E,), in the order in which they choose.
        line: Pixel of each event, shape (E,).
        liked: Shifts plus reach, the best first, shape (E, 2 reach + 1).
        reach: Largest shift.
        high: Largest count of a bin.
        total: Sum of shifts that may be spent.
        moved: Events that may move.
    """
    for event in range(len(time)):
        if moved < 1:
            return
        start, column = time[event], line[event]
        for option in liked[event]:
            shift = option - reach
            to = start + shift
            if shift == 0:
                break
            free = 0 <= to < len(held) and held[to, column] < high
            if free and abs(shift) <= total:
                held[start, column] -= 1
                held[to, column] += 1
                total -= abs(shift)
                moved -= 1
                break
