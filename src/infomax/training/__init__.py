"""How it is learned: by gradient ascent or in closed form, with one folder, one log and one way to stop and resume."""
