"""The checkpoints at which APGD and SA-PGD reconsider their step size."""


def checkpoints(steps: int) -> list[int]:
    """Numbers of steps done: first after 0.22 N, then ever closer, by 0.03 N less, down to 0.06 N.

    Reference:
        Croce, Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks, ICML 2020.
    """
    interval, least, shrink = (max(int(part * steps), 1) for part in (0.22, 0.06, 0.03))
    found: list[int] = []
    at = interval
    while at <= steps:
        found.append(at)
        interval = max(interval - shrink, least)
        at += interval
    return found
