"""Writes small files for as long as it lives."""

for number in range(100_000):
    with open(f"file-{number}", "wb") as file:
        file.write(bytes(1 << 18))
