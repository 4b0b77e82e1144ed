"""`python -m datarobot_drum.drum.gunicorn`: what the launchers of both production servers exec."""

from __future__ import annotations

from datarobot_drum.drum.gunicorn.arbiter import main

if __name__ == "__main__":
    main()
