"""Learning from choices between clips: clips, teachers, label store, reward model, and the loop around them."""

import dataclasses
import sqlite3
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces

from agents import rlhf
from agents.rlhf import teachers
from agents.rlhf.clips import Clip, ClipRecorder
from agents.rlhf.labels import About, LabelError, LabelStore
from agents.rlhf.reward_model import RewardModel
from agents.rlhf.selection import draw_pairs, select
from rlkit.engine.batch import Snapshot
from rlkit.registry import find_environment, make_batch
from rlkit.run import Run


def clip_of(rewards, start=b"01234567", obs=None):
    rewards = np.asarray(rewards, np.float32)
    obs = rewards[:, None] if obs is None else np.asarray(obs, np.float32)
    return Clip(start, obs, np.zeros((len(rewards), 1), np.float32), rewards)


@pytest.fixture(autouse=True)
def one_thread():
    """The fits are small: a second thread waits for the first more than it helps."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


ABOUT = About("pendulum", "standard", {}, 8, 1, (1,), 6)


@pytest.fixture
def store(tmp_path):
    with LabelStore.create(tmp_path / "labels.sqlite", ABOUT, wanted=4, total_steps=1000) as made:
        pairs = [(clip_of([k, 1], start=b"%08d" % k), clip_of([0, k, 3])) for k in range(4)]
        made.ask(pairs, 64, "fit 1", [0.9, 0.8, 0.2, 0.4])
        yield made


# --- clips ------------------------------------------------------------------------------------------------------


def recorded(name, num_steps, length, num_envs=8, seed=0):
    """Play at random; return (recorder, batch)."""
    environment = find_environment(name)
    env = make_batch(environment, num_envs, autoreset_mode="same_step", flat_obs=True)
    space = env.single_action_space
    shape = tuple(space.shape)
    about = About(
        name, "standard", {}, env.states.dtype.itemsize, int(np.prod(env.single_observation_space.shape)), shape, length
    )
    recorder = ClipRecorder(num_envs, 64, about, seed)
    space.seed(seed)
    obs, _ = env.reset(seed=seed)
    for _ in range(num_steps):
        before = np.array(obs)
        actions = np.array([space.sample() for _ in range(num_envs)])
        recorder.begin(env.states)
        obs, rewards, terminated, truncated, _ = env.step(actions)
        recorder.note(before.reshape(num_envs, -1), actions, rewards, terminated, truncated)
    return recorder, env


@pytest.mark.parametrize("name", ["pendulum", "cartpole", "quadrotor_2d"])
def test_a_clip_replays_from_its_start_and_actions(name):
    recorder, env = recorded(name, 120, 10)
    again = make_batch(env.environment, 1, flat_obs=True)
    again.reset(seed=1)
    for clip in recorder.newest(20):
        fresh = again.snapshot()
        fresh.episodes["is_done"] = 0
        obs, _ = again.restore(Snapshot(np.frombuffer(clip.start, env.states.dtype).copy(), fresh.episodes))
        for t in range(clip.length):
            np.testing.assert_array_equal(obs[0].ravel(), clip.obs[t])
            obs, reward, *_ = again.step(clip.actions[t][None])
            assert np.float32(reward[0]) == clip.rewards[t]


def test_only_clips_that_end_by_termination_are_shorter():
    recorder, _ = recorded("cartpole", 300, 10)
    lengths = [clip.length for clip in recorder.newest(64)]
    assert min(lengths) < 10
    assert max(lengths) == 10
    swinging, _ = recorded("pendulum", 450, 15)  # which only truncates, at 200 steps
    assert {clip.length for clip in swinging.newest(64)} == {15}


def test_clips_begin_in_all_phases_of_an_episode():
    recorder, env = recorded("pendulum", 200, 20, num_envs=64)
    starts = {int(np.frombuffer(clip.start, env.states.dtype)["num_steps"][0]) % 20 for clip in recorder.newest(64)}
    assert len(starts) > 10


# --- teachers ---------------------------------------------------------------------------------------------------


def choose(teacher, pairs, seen=None, seed=0):
    seen = seen or [clip for pair in pairs for clip in pair]
    return teachers.choose(teacher, pairs, seen, np.random.default_rng(seed))


def test_the_oracle_takes_the_higher_return_and_calls_equal_what_is():
    pairs = [(clip_of([2, 0]), clip_of([1, 0.5])), (clip_of([-1]), clip_of([0])), (clip_of([1, 1]), clip_of([2]))]
    assert choose("oracle", pairs) == ["left", "right", "equal"]


def test_the_myopic_teacher_counts_late_steps_more():
    early, late = clip_of([1.05, 0, 0, 0]), clip_of([0, 0, 0, 1])
    assert choose("oracle", [(early, late)]) == ["left"]
    assert choose("myopic", [(early, late)]) == ["right"]


def test_the_mistaken_teacher_errs_once_in_ten():
    pairs = [(clip_of([1]), clip_of([0]))] * 2000
    share = choose("mistake", pairs).count("right") / 2000
    assert 0.08 < share < 0.12


def test_the_noisy_teacher_draws_by_returns_in_units_of_their_deviation():
    seen = [clip_of([-10.0]), clip_of([10.0])]  # deviation 10
    share = choose("noisy", [(clip_of([10.0]), clip_of([0.0]))] * 4000, seen).count("left") / 4000
    assert abs(share - 1 / (1 + np.exp(-1))) < 0.025


def test_the_skipping_teacher_skips_pairs_of_bad_clips_alone():
    seen = [clip_of([-100.0]), clip_of([0.0])]  # worst −100, mean −50: nothing below −95 is worth an answer
    pairs = [(clip_of([-99]), clip_of([-96])), (clip_of([-99]), clip_of([-90]))]
    assert choose("skip", pairs, seen) == ["skip", "right"]


def test_the_equal_teacher_calls_equal_what_differs_by_little():
    seen = [clip_of([-100.0]), clip_of([0.0])]  # by less than a tenth of 50
    pairs = [(clip_of([-20]), clip_of([-16])), (clip_of([-20]), clip_of([-14]))]
    assert choose("equal", pairs, seen) == ["equal", "right"]


def test_the_teacher_of_spinning_takes_the_clip_that_turned_further_counter_clockwise():
    def turning(speed):
        angles = 3.0 + speed * np.arange(30)  # through ±π, where angles jump
        return clip_of(np.zeros(30), obs=np.stack([np.cos(angles), np.sin(angles), angles * 0], axis=1))

    assert abs(teachers.turned(turning(0.4).obs) - 29 * 0.4) < 1e-5
    assert choose("spin", [(turning(0.4), turning(0.3)), (turning(-0.4), turning(-0.3))]) == ["left", "right"]


# --- the label store --------------------------------------------------------------------------------------------


def test_an_answer_is_kept_once_and_by_one_person(store):
    question = store.next_question("ann")
    store.answer({question.id: "left"}, "ann")
    store.answer({question.id: "left"}, "ann")  # a page that did not hear of it
    with pytest.raises(LabelError, match=r"question 1 has been answered by ann already"):
        store.answer({question.id: "right"}, "bob")
    assert store.progress().answered == 1
    assert store._rows("SELECT count(*) FROM answers")[0][0] == 1


def test_two_people_are_never_shown_the_same_question(store):
    seen = [store.next_question(who).id for who in ("ann", "bob", "cem", "dan")]
    assert sorted(seen) == [1, 2, 3, 4]
    assert store.next_question("eve") is None
    assert store.next_question("ann").id == seen[0]  # her own again


def test_undo_takes_back_the_last_answer_of_that_person(store):
    for who, choice in (("ann", "left"), ("bob", "right"), ("ann", "equal")):
        store.answer({store.next_question(who).id: choice}, who)
    assert store.undo("ann").id == 3
    assert [label.target for label in store.arrived(128)] == [1.0, 0.0]
    assert store.next_question("ann").id == 3
    assert store.undo("cem") is None


def test_labels_arrive_when_training_takes_them_and_an_undo_later_changes_them_from_then_on(store):
    store.answer({1: "left", 2: "skip"}, "ann")
    assert [(label.question, label.target) for label in store.arrived(128)] == [(1, 1.0)]
    store.answer({3: "equal"}, "ann")
    assert [label.target for label in store.arrived(192)] == [1.0, 0.5]
    store.undo("ann")
    assert [label.question for label in store.arrived(256)] == [1]
    assert [label.question for label in store.arrived(200)] == [1, 3]  # as it was: a run that replays sees the same


def test_agreement_counts_answers_that_a_model_had_expected(store):
    store.answer({1: "left", 2: "right", 3: "right", 4: "equal"}, "ann")  # it had said left, left, right, right
    progress = store.progress()
    assert (progress.agreed, progress.judged, progress.answered, progress.open) == (2, 3, 4, 0)


def test_asking_again_after_a_resume_asks_nothing_twice(store):
    pairs = [(clip_of([5, 1]), clip_of([0])), (clip_of([5, 1]), clip_of([1], start=b"another!"))]
    first = store.ask(pairs, 640, "", None)
    assert len(set(first)) == 2
    assert store.ask(pairs, 640, "", None) == first


def test_clips_come_back_as_they_were(store):
    clip = store.clip(2)
    np.testing.assert_array_equal(clip.rewards, np.float32([0, 0, 3]))
    assert clip.start == b"01234567"
    assert clip.actions.shape == (3, 1)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE clips SET obs = X'00'", "UPDATE clips SET length = 1000000", "UPDATE clips SET start = 'text'",
        "UPDATE clips SET length = 'many'",
    ],
)  # fmt: skip
def test_a_damaged_clip_is_refused_in_a_sentence(store, damage):
    other = sqlite3.connect(store.path)
    other.execute(damage)
    other.commit()
    with pytest.raises(LabelError, match=r"clip 1 of .* is damaged"):
        store.clip(1)


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "text").write_text("hello" * 1000)
    with pytest.raises(LabelError, match="cannot open the label file"):
        LabelStore.open(tmp_path / "text")
    with pytest.raises(LabelError, match="cannot open the label file"):
        LabelStore.open(tmp_path / "nothing")
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE about (key, value)").connection.commit()
    with pytest.raises(LabelError, match="is not a label file"):
        LabelStore.open(tmp_path / "other")


@pytest.mark.parametrize("who", ["", "x" * 61, "a\nb", None])
def test_names_that_cannot_be_are_refused(store, who):
    with pytest.raises(LabelError, match="who answers has a name"):
        store.answer({1: "left"}, who)


# --- the reward model -------------------------------------------------------------------------------------------


def labelled(count, rng, lengths=(8, 8)):
    """Return (pairs, targets) of clips whose reward is obs[0] − obs[1]."""
    clips = []
    for _ in range(2 * count):
        obs = rng.normal(size=(rng.integers(*lengths, endpoint=True), 2))
        clips.append(clip_of(obs[:, 0] - obs[:, 1], obs=obs))
    pairs = [(clips[2 * i], clips[2 * i + 1]) for i in range(count)]
    return pairs, [1.0 if left.rewards.sum() > right.rewards.sum() else 0.0 for left, right in pairs]


def model_of(seed=0, **options):
    return RewardModel(2, spaces.Box(-1, 1, (1,)), seed=seed, **options)


def choices_of_longer_ones(rng):
    """Return (clips of different lengths, pairs of them, targets: the longer one is better)."""
    clips = [clip_of(np.ones(n), obs=rng.normal(size=(n, 2))) for n in rng.integers(1, 9, size=400)]
    pairs = draw_pairs(clips, 200, rng)
    return clips, pairs, [0.5 if a.length == b.length else float(a.length > b.length) for a, b in pairs]


def test_a_linear_reward_is_learned_from_choices():
    rng = np.random.default_rng(0)
    pairs, targets = labelled(300, rng)
    model = model_of()
    fit = model.fit(pairs, targets, [clip for pair in pairs for clip in pair])
    obs = rng.normal(size=(2000, 2))
    learned = model.rewards(obs, np.zeros((2000, 1)))
    assert fit.accuracy > 0.9
    assert np.corrcoef(learned, obs[:, 0] - obs[:, 1])[0, 1] > 0.9


def test_where_nothing_terminates_rewards_have_mean_0_and_deviation_1():
    pairs, targets = labelled(50, np.random.default_rng(0))
    clips = [clip for pair in pairs for clip in pair]
    model = model_of()
    model.fit(pairs, targets, clips)
    rewards = model.member_rewards(np.concatenate([c.obs for c in clips]), np.concatenate([c.actions for c in clips]))
    np.testing.assert_allclose(rewards.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(rewards.std(axis=1), 1, atol=1e-2)


def test_where_clips_terminate_rewards_have_mean_square_1_even_if_they_hardly_differ():
    rng = np.random.default_rng(0)
    _, pairs, targets = choices_of_longer_ones(rng)
    model = model_of()
    experience = [clip_of(np.ones(9), obs=np.full((9, 2), 0.1 + 1e-4 * rng.normal(size=(9, 2)))) for _ in range(20)]
    model.fit(pairs, targets, experience)
    rewards = model.member_rewards(np.concatenate([c.obs for c in experience]), np.zeros((180, 1)))
    np.testing.assert_allclose(np.square(rewards).mean(axis=1), 1, rtol=1e-3)
    assert rewards.std(axis=1).max() < 0.01
    assert rewards.mean(axis=1).min() > 0.9


def test_where_longer_clips_are_preferred_every_step_is_worth_something():
    rng = np.random.default_rng(0)
    clips, pairs, targets = choices_of_longer_ones(rng)
    model = model_of()
    assert model.fit(pairs, targets, clips).accuracy > 0.95
    assert model.rewards(rng.normal(size=(500, 2)), np.zeros((500, 1))).min() > 0


def test_a_fit_depends_on_labels_and_seed_alone():
    pairs, targets = labelled(40, np.random.default_rng(0), lengths=(3, 8))
    clips = [clip for pair in pairs for clip in pair]
    once, again = model_of(), model_of()
    once.fit(pairs, targets, clips)
    again.fit(pairs, targets, clips)
    for name, value in once.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_each_label_is_held_out_from_one_member():
    rows = model_of(num_members=3)._rows_of_members(31)
    for k in range(3):
        assert not (rows[k] % 3 == k).any()
        assert len(rows[k]) == 20


def test_padding_of_shorter_clips_counts_nothing():
    pairs, targets = labelled(30, np.random.default_rng(0), lengths=(2, 9))
    model = model_of()
    model.fit(pairs, targets, [clip for pair in pairs for clip in pair])
    alone = np.concatenate([model.chances([pair]) for pair in pairs], axis=1)
    np.testing.assert_allclose(model.chances(pairs), alone, atol=1e-5)


def test_disagreement_selects_pairs_over_which_members_differ_more():
    rng = np.random.default_rng(0)
    pairs, targets = labelled(30, rng)
    clips = [clip for pair in pairs for clip in pair]
    model = model_of()
    model.fit(pairs, targets, clips)
    drawn = model.chances(select(clips, 40, "random", 5, model, np.random.default_rng(1))).std(axis=0).mean()
    chosen = model.chances(select(clips, 40, "disagreement", 5, model, np.random.default_rng(1))).std(axis=0).mean()
    assert chosen > 1.5 * drawn


# --- the loop ---------------------------------------------------------------------------------------------------

SMALL = rlhf.Config(
    total_steps=6144, num_envs=16, num_steps=64, num_epochs=2, minibatch_size=512, labels=24, clip_length=10,
    num_sessions=3, reward_hidden_size=16, eval_interval=3000, eval_episodes=4, checkpoint_interval=1024,
    picture_interval=0, teacher="noisy",
)  # fmt: skip


def trained(tmp_path, config, seed=3, name="pendulum", **how):
    environment = find_environment(name)
    with Run.create(name, "rlhf", dataclasses.asdict(config), seed, root=tmp_path) as run, run.training(**how):
        rlhf.train(environment, config, run)
    return Run.open(run.folder)


def weights(run):
    return run.load().tensors


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(other[name]), err_msg=name)


def test_a_run_replays_from_its_label_file_bit_for_bit(tmp_path):
    first = trained(tmp_path, SMALL)
    config = dataclasses.replace(SMALL, teacher="none", answers=str(first.folder / rlhf.LABELS))
    again = trained(tmp_path, config)
    assert_equal(weights(first), weights(again))
    with LabelStore.open(again.folder / rlhf.LABELS) as store:
        assert store.progress().answered == SMALL.labels


def test_a_run_resumes_bit_for_bit(tmp_path):
    whole = trained(tmp_path, SMALL)
    environment = find_environment("pendulum")
    with Run.create("pendulum", "rlhf", dataclasses.asdict(SMALL), 3, root=tmp_path) as run, run.training():
        stops = iter(range(100))
        run.progress = type("Stop", (), {"update": lambda *_: next(stops) == 2 and run.request_stop()})()
        rlhf.train(environment, SMALL, run)
    part = Run.open(run.folder)
    assert part.steps()[-1] < SMALL.total_steps
    checkpoint = part.resume()
    with part, part.training():
        rlhf.train(environment, SMALL, part, checkpoint)
    assert_equal(weights(whole), weights(part))
    assert (whole.folder / "metrics.jsonl").read_bytes() == (part.folder / "metrics.jsonl").read_bytes()


def test_episodes_that_terminate_and_discrete_actions_work(tmp_path):
    run = trained(tmp_path, dataclasses.replace(SMALL, teacher="oracle"), name="cartpole")
    with LabelStore.open(run.folder / rlhf.LABELS) as store:
        lengths = {store.clip(k).length for k in range(1, 20)}
    assert len(lengths) > 1


def test_a_skipping_teacher_is_asked_until_there_are_labels_enough(tmp_path):
    run = trained(tmp_path, dataclasses.replace(SMALL, teacher="skip"))
    with LabelStore.open(run.folder / rlhf.LABELS) as store:
        assert store.progress().answered >= SMALL.labels * 0.9


def test_training_waits_for_a_person_and_goes_on_when_they_answer(tmp_path):
    config = dataclasses.replace(SMALL, teacher="person")
    folders = []

    def answer():
        while not folders or not (folders[0] / rlhf.LABELS).exists():
            time.sleep(0.01)
        with LabelStore.open(folders[0] / rlhf.LABELS) as store:
            for _ in range(2000):
                question = store.next_question("ann")
                if question is not None:
                    store.answer({question.id: "left"}, "ann")
                elif store.progress().is_over:
                    return
                else:
                    time.sleep(0.01)

    person = threading.Thread(target=answer, daemon=True)
    person.start()
    with Run.create("pendulum", "rlhf", dataclasses.asdict(config), 3, root=tmp_path) as run, run.training():
        folders.append(run.folder)
        rlhf.train(find_environment("pendulum"), config, run)
    person.join()
    with LabelStore.open(run.folder / rlhf.LABELS) as store:
        progress = store.progress()
    assert (progress.answered, progress.is_over) == (24, True)
    replay = dataclasses.replace(config, teacher="none", answers=str(run.folder / rlhf.LABELS))
    assert_equal(weights(run), weights(trained(tmp_path, replay)))


def test_the_policy_and_the_reward_of_a_run_can_be_loaded(tmp_path):
    run = trained(tmp_path, SMALL)
    environment = find_environment("pendulum")
    assert rlhf.load(run, environment).act(np.zeros(3, np.float32)).shape == (1,)
    model = rlhf.load_reward(run, environment)
    assert model.num_fits >= 2
    assert np.isfinite(model.rewards(np.zeros((4, 3)), np.zeros((4, 1)))).all()


def test_a_label_file_of_something_else_is_refused(tmp_path):
    first = trained(tmp_path, SMALL)
    config = dataclasses.replace(SMALL, answers=str(first.folder / rlhf.LABELS), teacher="none", clip_length=11)
    with pytest.raises(LabelError, match="clip length 10, and this training has 11"):
        trained(tmp_path, config)


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"ask_share": 0}, "ask_share=0 must be above 0"), ({"labels": 0}, "labels=0 must be at least 1"),
    ({"teacher": "none"}, "teacher=none needs answers=FILE"),
])  # fmt: skip
def test_settings_that_cannot_be_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(SMALL, **changes)


def test_the_shipped_answers_teach_a_pendulum_to_spin(tmp_path):
    environment = find_environment("pendulum")
    answers = str(Path(rlhf.__file__).with_name("pendulum_spin.sqlite"))
    changes = {"teacher": "none", "answers": answers, "eval_interval": 0, "picture_interval": 0}
    run = trained(tmp_path, dataclasses.replace(environment.recipes["rlhf"], **changes), seed=0)
    policy, env = rlhf.load(run, environment), make_batch(environment, 50)
    obs, _ = env.reset(seed=5)
    seen = [np.array(obs)]
    for _ in range(199):
        obs, *_ = env.step(policy.act(obs))
        seen.append(np.array(obs))
    turns = [teachers.turned(np.stack(seen)[:, i]) / (2 * np.pi) for i in range(50)]
    assert np.median(turns) > 5
