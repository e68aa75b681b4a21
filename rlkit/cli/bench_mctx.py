"""mctx's searches over Pgx's Connect Four, in a process of its own: needs jax, mctx and pgx, and nothing of ours.

`rlkit bench search --against mctx` starts it, on the core it shall stay on. The first line that it writes holds the
versions; then each line that it reads is a strategy, "gumbel" or "puct", and is answered by simulations a second.

The searches are those of Pgx's AlphaZero example: values belong to the side to move, so the discount is −1, or 0 at
an end. Leaves are worth 0 and legal actions are equally likely. mctx does all simulations of every search.
"""

import json
import sys
import time
from importlib.metadata import version

import jax
import jax.numpy as jnp
import mctx
import pgx

GAME = pgx.make("connect_four")
POLICIES = {
    "gumbel": (mctx.gumbel_muzero_policy, {"gumbel_scale": 1.0}),
    "puct": (mctx.muzero_policy, {"dirichlet_fraction": 0.25, "dirichlet_alpha": 1.0}),
}


def main(num_games: int, num_simulations: int, max_plies: int, seconds: float) -> None:
    """Answer until the input ends; a measurement takes about `seconds`."""
    key, own = jax.random.split(jax.random.PRNGKey(0))
    states = openings(own, num_games, max_plies)
    searches = {strategy: make_search(strategy, num_simulations) for strategy in POLICIES}
    for search in searches.values():
        jax.block_until_ready(search(key, states))  # compiled from here on
    print(json.dumps({name: version(name) for name in ("jax", "mctx", "pgx")}), flush=True)
    for line in sys.stdin:
        search = searches[line.strip()]
        begin, count = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - begin) < seconds:
            key, own = jax.random.split(key)
            jax.block_until_ready(search(own, states))
            count += num_games * num_simulations
        print(json.dumps(count / elapsed), flush=True)


def openings(key, num_games: int, max_plies: int):
    """Return states [N] after 0 to `max_plies` random plies; where a game ended on the way, another has begun."""
    states = kept = jax.vmap(GAME.init)(jax.random.split(key, num_games))
    for ply in range(1, max_plies + 1):
        key, draw, begin = jax.random.split(key, 3)
        states = jax.vmap(GAME.step)(states, jax.random.categorical(draw, prior_logits(states)))
        states = choose(states.terminated, jax.vmap(GAME.init)(jax.random.split(begin, num_games)), states)
        kept = choose(jnp.arange(num_games) % (max_plies + 1) >= ply, states, kept)
    return kept


def choose(condition, states, others):
    """Return `states` where `condition` [N], else `others`."""
    return jax.tree.map(lambda a, b: jnp.where(condition.reshape(-1, *[1] * (a.ndim - 1)), a, b), states, others)


def prior_logits(states):
    """Return logits [N, A]: 0 where legal."""
    return jnp.where(states.legal_action_mask, 0.0, jnp.finfo(jnp.float32).min)


def make_search(strategy: str, num_simulations: int):
    """Return the compiled search: (key, states [N]) → (actions [N], policies [N, A])."""
    policy, settings = POLICIES[strategy]

    @jax.jit
    def search(key, states):
        values = jnp.zeros(len(states.current_player))
        root = mctx.RootFnOutput(prior_logits=prior_logits(states), value=values, embedding=states)
        found = policy(
            params=(), rng_key=key, root=root, recurrent_fn=simulate, num_simulations=num_simulations,
            invalid_actions=~states.legal_action_mask, **settings,
        )  # fmt: skip
        return found.action, found.action_weights

    return search


def simulate(params, key, actions, states):
    """Take `actions` [N] and evaluate what comes of them."""
    movers = states.current_player
    states = jax.vmap(GAME.step)(states, actions)
    found = mctx.RecurrentFnOutput(
        reward=states.rewards[jnp.arange(len(movers)), movers],
        discount=jnp.where(states.terminated, 0.0, -1.0),
        prior_logits=prior_logits(states),
        value=jnp.zeros(len(movers)),
    )
    return found, states


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
