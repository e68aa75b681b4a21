"""Resource allocation: stock, machines, computers and energy."""
