"""Training: a plain loop to imitate (`fit`), and runs that survive what happens to them (`run`)."""
