"""The other side of the wall: these files run inside the sandbox, one a definition, and only measure. They import
nothing of grader and nothing imports them; the checks that judge their answers have the same names one folder up."""
