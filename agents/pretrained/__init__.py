"""Small trained networks, each with a JSON card; `python -m agents.pretrained RUN` makes one of a run."""
