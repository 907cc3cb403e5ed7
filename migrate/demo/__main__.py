"""`python -m migrate.demo`: see `migrate.demo.run`."""

from migrate.demo.run import main

if __name__ == "__main__":
    main()
