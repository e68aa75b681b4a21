"""Connect Four without bitboards, for tests: columns are seven strings of X (first player) and O, bottom first."""


def columns_of(moves):
    """The columns after `moves`, 1 to 7."""
    columns = [""] * 7
    for number, move in enumerate(moves):
        columns[int(move) - 1] += "XO"[number % 2]
    return tuple(columns)


def is_line(columns, column):
    """Whether the top disc of `column` completes four, by walking from it."""
    row = len(columns[column]) - 1
    disc = columns[column][row]

    def run(step_across, step_up):
        length, x, y = 0, column + step_across, row + step_up
        while 0 <= x < 7 and 0 <= y < len(columns[x]) and columns[x][y] == disc:
            length, x, y = length + 1, x + step_across, y + step_up
        return length

    return any(run(dx, dy) + run(-dx, -dy) >= 3 for dx, dy in ((0, 1), (1, 0), (1, 1), (1, -1)))


def winning_columns(columns, disc):
    """The columns in which a disc of one side would complete four."""
    found = []
    for column in range(7):
        after = (*columns[:column], columns[column] + disc, *columns[column + 1 :])
        if len(columns[column]) < 6 and is_line(after, column):
            found.append(column)
    return found
