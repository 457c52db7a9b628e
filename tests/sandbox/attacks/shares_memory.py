"""Takes memory that no limit of a process counts, page by page."""

import mmap
import time

from common import order

memory = mmap.mmap(-1, order()["memory_mib"] * 2 << 20)
for place in range(0, len(memory), 4096):
    memory[place] = 1
time.sleep(600)
