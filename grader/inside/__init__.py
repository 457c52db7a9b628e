"""What runs inside the sandbox. These files are started as scripts; they import nothing of grader and nothing imports
them. Questions come in, measurements go out: no expected value, no threshold and no check is ever in here."""
