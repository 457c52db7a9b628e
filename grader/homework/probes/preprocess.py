"""Calls the student's `preprocess` on images of several types.

Settings: `name` of the function; `cases`. Arrays: for each case `C_x` [n, 28, 28] and `C_y` [n].
Answers, for each case: `C_out_x`, `C_out_y`, and `C_x_after`, `C_y_after`, the inputs after the call.
"""

import numpy as np


def run(namespace, settings, arrays, answer):
    for case in settings["cases"]:
        answer.measure(case, lambda c=case: call(namespace[settings["name"]], arrays, answer, c))


def call(function, arrays, answer, case):
    x, y = arrays[f"{case}_x"].copy(), arrays[f"{case}_y"].copy()
    result = function(x, y)
    answer.put(f"{case}_x_after", x)
    answer.put(f"{case}_y_after", y)
    out_x, out_y = result
    answer.put(f"{case}_out_x", np.array(out_x))
    answer.put(f"{case}_out_y", np.array(out_y))
