"""Goes through all cases, plainly or quickly, and leaves what came of it. Run in a process of its own, which finds `accelerate`
and `utils` on its path.

python with_acceleration.py plain|quick RESULTS.npz

Beside the results of each case stand, by its name: how many functions were compiled for it (`compiled`), at most how many traces of one
function were tried (`traces`), and how often the library's own forward pass was gone through (`passes`).
"""

import functools
import sys

import accelerate
import guards
import numpy as np
import tensorflow as tf
import tracing
import utils
import ways_of_training
from trainings import cases_of, results_of


def counted_passes() -> list[None]:
    """Grows whenever the library's own forward pass is gone through."""
    passes, forward = list[None](), utils.Sequential._forward

    @functools.wraps(forward)
    def counting(*args: object, **kwargs: object) -> tf.Tensor:
        passes.append(None)
        return forward(*args, **kwargs)

    utils.Sequential._forward = counting
    return passes


def main() -> None:
    passes, found = counted_passes(), dict[str, np.ndarray]()
    if sys.argv[1] == "quick":
        accelerate.install()(utils)
    cases = [*cases_of(ways_of_training), *cases_of(guards)]
    if len({case.__name__ for case in cases}) < len(cases):
        sys.exit("two cases have the same name: the results of one would take the place of the other's")
    for case in cases:
        passes.clear()
        found |= results_of(case)
        found[f"passes of {case.__name__}"] = np.asarray(len(passes))
        found[f"traces of {case.__name__}"] = np.asarray(max(tracing.made.values(), default=0))
        compiled = [key[0].__name__ for key, function in tracing.known.items() if function is not None]
        found[f"compiled of {case.__name__}"] = np.array(compiled)
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()
