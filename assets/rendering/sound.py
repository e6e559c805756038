"""Sound tracks of the bundled scenes, from filtered noise, resonators and pulse trains; mono float in -1..1."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt

from assets.rendering.people import FPS, Person

RATE_HZ = 44_100
EXPLOSION_S = 18.0
SCUFFLE_S = (14.0, 25.0)
CRASH_S = 18.0
CRASH_SEGMENT_S = (16.6, 21.0)
# First three formants of six vowels in Hz.
VOWELS = (
    (730, 1090, 2440),
    (530, 1840, 2480),
    (390, 1990, 2550),
    (570, 840, 2410),
    (440, 1020, 2240),
    (640, 1190, 2390),
)


def quiet_street(seed: int, duration_s: float) -> np.ndarray:
    """City hum, birds, three slow cars."""
    rng = np.random.default_rng(seed)
    out = _hum(duration_s, rng) * 0.022 + _birds(duration_s, rng) * 0.03
    for passes_s in (6.2, 19.0, 26.6):
        out += _car(duration_s, passes_s, rng, width_s=1.1) * 0.035
    return out


def explosion(seed: int, duration_s: float) -> np.ndarray:
    """A quiet yard, the bang with its echoes, falling pieces, fire and a car alarm."""
    rng = np.random.default_rng(seed)
    out = _hum(duration_s, rng) * 0.016 + _birds(duration_s, rng, until_s=EXPLOSION_S) * 0.012
    blast = _bang(rng)
    for late_s, gain in ((0.0, 1.0), (0.23, 0.3), (0.41, 0.2), (0.74, 0.12)):
        _add(out, EXPLOSION_S + late_s, blast * gain)
    for _ in range(40):
        _add(out, EXPLOSION_S + rng.uniform(0.5, 3.2), _clink(rng, 700, 5200) * rng.uniform(0.01, 0.07))
    for when_s in EXPLOSION_S + rng.uniform(1, 9.5, 260):
        _add(out, when_s, _band(0.012, 900, 6000, rng) * _decay(0.012, 0.004) * rng.uniform(0.005, 0.04))
    roar = _band(9.0, 60, 700, rng) * np.interp(_clock(9.0), [0, 1, 5, 9], [0, 0.05, 0.035, 0])
    _add(out, EXPLOSION_S + 0.8, roar)
    t = _clock(8.2)
    siren = np.sin(2 * np.pi * np.cumsum(np.where(t % 0.7 < 0.35, 950, 1250)) / RATE_HZ)
    _add(out, EXPLOSION_S + 1.2, siren * 0.025 * np.minimum(1, (8.2 - t) / 0.2))
    return _limit(out)


def scuffle(seed: int, duration_s: float) -> np.ndarray:
    """Babble of a crowd; shouts, blows and screams while it lasts."""
    rng = np.random.default_rng(seed)
    out = _hum(duration_s, rng) * 0.012
    for _ in range(14):
        out += _talk(duration_s, rng) * rng.uniform(0.03, 0.07)
    begin_s, end_s = SCUFFLE_S
    when_s = begin_s + 0.3
    while when_s < end_s - 0.8:
        _add(out, when_s, _shout(rng) * rng.uniform(0.12, 0.45))
        when_s += rng.uniform(0.18, 0.7)
    for when_s in begin_s + 0.5 + np.cumsum(rng.uniform(0.3, 0.7, 20)):
        if when_s < end_s - 0.3:
            _add(out, when_s, _band(0.12, 70, 420, rng) * _decay(0.12, 0.03) * rng.uniform(0.1, 0.3))
    for when_s in (begin_s + 3.1, begin_s + 6.4):
        _add(out, when_s, _voice(rng, 1.0, np.linspace(620, 940, 5), VOWELS[0], breath=0.25) * 0.35)
    swell = _band(end_s - begin_s, 300, 2400, rng)
    t = _clock(end_s - begin_s)
    _add(out, begin_s, swell * 0.03 * np.sin(np.pi * t / t[-1]) ** 0.6)
    return _limit(out)


def crash(seed: int, duration_s: float) -> np.ndarray:
    """Traffic, a squeal of tyres, the blow, glass, and a horn."""
    rng = np.random.default_rng(seed)
    out = _hum(duration_s, rng) * 0.022
    for passes_s in (3.6, 5.2, 10.7, 13.1):
        out += _car(duration_s, passes_s, rng, width_s=0.7) * 0.05
    skid_s = CRASH_SEGMENT_S[0]
    _add(out, skid_s + 0.1, _squeal(CRASH_S - skid_s, rng) * 0.28)
    _add(out, CRASH_S + 0.15, _squeal(0.8, rng) * 0.16)
    blow = np.zeros(int(1.6 * RATE_HZ))
    _add(blow, 0.0, _band(0.5, 60, 5500, rng) * _decay(0.5, 0.06) * 0.8)
    _add(blow, 0.0, _band(0.7, 30, 150, rng) * _decay(0.7, 0.14) * 0.9)
    for _ in range(26):
        _add(blow, rng.uniform(0, 0.1), _clink(rng, 180, 3600) * 0.16)
    _add(out, CRASH_S, np.tanh(1.5 * blow) * 0.8)
    for _ in range(60):
        _add(out, CRASH_S + rng.gamma(2, 0.22), _clink(rng, 2500, 8500) * rng.uniform(0.01, 0.07))
    t = _clock(1.9)
    horn = sum(np.sin(2 * np.pi * f * k * t) / k for f in (398, 502) for k in (1, 2, 3, 4))
    _add(out, CRASH_S + 0.7, np.asarray(horn) * 0.03 * np.minimum(1, (1.9 - t) * 12))
    steam = _band(5.0, 2500, 9000, rng) * np.interp(_clock(5.0), [0, 0.4, 5], [0, 0.012, 0])
    _add(out, CRASH_S + 0.4, steam)
    return _limit(out)


def footsteps(people: tuple[Person, ...], near: tuple[float, float], n_frames: int, seed: int) -> np.ndarray:
    """A soft step each time a foot of one of the people lands, louder near the point `near`."""
    rng = np.random.default_rng(seed)
    out = np.zeros(n_frames * RATE_HZ // FPS)
    for person in people:
        landed = np.flatnonzero((np.diff(np.floor(person.phase / np.pi)) > 0) & (person.speed[1:] > 0.4))
        for i in landed:
            away = float(np.hypot(*(person.xy[i] - near)))
            step = _band(0.07, 250, 2600, rng) * _decay(0.07, 0.014)
            _add(out, float(i + 1) / FPS, step * min(0.05, 1.3 / away**2) * rng.uniform(0.6, 1))
    return out


def _clock(duration_s: float) -> np.ndarray:
    return np.arange(int(duration_s * RATE_HZ)) / RATE_HZ


def _add(out: np.ndarray, when_s: float, piece: np.ndarray) -> None:
    start = int(when_s * RATE_HZ)
    end = min(start + len(piece), len(out))
    out[start:end] += piece[: max(0, end - start)]


def _band(duration_s: float, low_hz: float, high_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Noise between two frequencies, standard deviation 1."""
    n, warm = int(duration_s * RATE_HZ), 2000
    sos = butter(2, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos")
    noise = np.asarray(sosfilt(sos, rng.normal(size=n + warm)))
    return noise[warm:] / noise.std()


def _decay(duration_s: float, tau_s: float) -> np.ndarray:
    t = _clock(duration_s)
    return np.exp(-t / tau_s) * np.minimum(1, t / 0.001)


def _limit(out: np.ndarray) -> np.ndarray:
    """Loud peaks rounded off at 0.5, which leaves room for what the encoder adds; what is quiet stays as it is."""
    return 0.5 * np.tanh(out / 0.5)


def _hum(duration_s: float, rng: np.random.Generator) -> np.ndarray:
    """The distant city: low rumble that swells slowly, a little air."""
    t = _clock(duration_s)
    swell = 1 + 0.3 * np.sin(0.5 * t + rng.uniform(0, 6)) * np.sin(0.17 * t)
    return swell * _band(duration_s, 50, 350, rng) + 0.25 * _band(duration_s, 400, 5000, rng)


def _birds(duration_s: float, rng: np.random.Generator, until_s: float = 1e9) -> np.ndarray:
    out = np.zeros(int(duration_s * RATE_HZ))
    when_s = 1.0
    while when_s < min(duration_s - 1, until_s - 1):
        pitch, notes = rng.uniform(2800, 4600), rng.integers(2, 6)
        for k in range(notes):
            t = _clock(rng.uniform(0.05, 0.11))
            sweep = pitch * (1 + rng.uniform(-0.2, 0.25) * t / t[-1])
            note = np.sin(2 * np.pi * np.cumsum(sweep) / RATE_HZ) * np.sin(np.pi * t / t[-1])
            _add(out, when_s + 0.13 * k, note * rng.uniform(0.4, 1))
        when_s += rng.uniform(1.2, 4.5)
    return out


def _car(duration_s: float, passes_s: float, rng: np.random.Generator, *, width_s: float) -> np.ndarray:
    """Tyre and engine noise of a car that passes."""
    t = _clock(duration_s) - passes_s
    near = 1 / (1 + (t / width_s) ** 2) ** 1.5
    engine = np.sin(2 * np.pi * np.cumsum(78 - 9 * np.tanh(t / width_s)) / RATE_HZ)
    return near * (_band(duration_s, 120, 1400, rng) + 0.5 * engine)


def _bang(rng: np.random.Generator) -> np.ndarray:
    """A blast: crack, body, and a long low roll."""
    out = np.zeros(int(4.5 * RATE_HZ))
    _add(out, 0, _band(0.3, 400, 9000, rng) * _decay(0.3, 0.03) * 0.8)
    _add(out, 0, _band(1.5, 80, 1800, rng) * _decay(1.5, 0.22) * 0.8)
    _add(out, 0, _band(4.5, 25, 130, rng) * _decay(4.5, 0.75) * 0.8)
    return np.tanh(1.8 * out)


def _clink(rng: np.random.Generator, low_hz: float, high_hz: float) -> np.ndarray:
    """Struck metal or glass: a few decaying tones."""
    t = _clock(0.45)
    tones = rng.uniform(low_hz, high_hz, 5)
    tau = rng.uniform(0.02, 0.1, 5)
    return sum(np.sin(2 * np.pi * f * t) * np.exp(-t / d) for f, d in zip(tones, tau, strict=True)) * np.minimum(
        1, t / 5e-4
    )


def _squeal(duration_s: float, rng: np.random.Generator) -> np.ndarray:
    """Tyres: a few unsteady high tones over rough noise."""
    t = _clock(duration_s)
    out = 0.25 * _band(duration_s, 700, 3500, rng)
    for base in (880, 1130, 1790):
        wander = base * (1 + 0.04 * np.sin(2 * np.pi * 5 * t + base) + 0.02 * _band(duration_s, 20, 60, rng) - 0.08 * t)
        out += np.sin(2 * np.pi * np.cumsum(wander) / RATE_HZ) * 500 / base
    return out * np.minimum(1, np.minimum(t / 0.12, (duration_s - t) / 0.03))


def _voice(
    rng: np.random.Generator, duration_s: float, pitch_hz: np.ndarray, formants: tuple[int, ...], *, breath: float = 0.1
) -> np.ndarray:
    """One vowel: a pulse train along a pitch curve through three resonators."""
    t = _clock(duration_s)
    pitch = np.interp(t / duration_s, np.linspace(0, 1, len(pitch_hz)), pitch_hz) * (
        1 + 0.012 * _band(duration_s, 3, 30, rng)
    )
    phase = np.cumsum(pitch) / RATE_HZ
    source = np.diff(np.floor(phase), prepend=0) - pitch / RATE_HZ + breath * 0.1 * rng.normal(size=len(t))
    out = np.zeros(len(t))
    for formant, gain in zip(formants, (1, 0.7, 0.35), strict=True):
        band = butter(1, [formant * 0.93, formant * 1.07], "bandpass", fs=RATE_HZ, output="sos")
        out += gain * np.asarray(sosfilt(band, source))
    out *= np.minimum(1, np.minimum(t / 0.03, (duration_s - t) / 0.06))
    return out / max(float(np.abs(out).max()), 1e-9)


def _talk(duration_s: float, rng: np.random.Generator) -> np.ndarray:
    """One person of a crowd talking in phrases with pauses."""
    out = np.zeros(int(duration_s * RATE_HZ))
    base, when_s = rng.choice([115, 130, 190, 210]) * rng.uniform(0.9, 1.1), rng.uniform(0, 2)
    while when_s < duration_s - 0.5:
        for _ in range(rng.integers(4, 14)):
            length = rng.uniform(0.09, 0.24)
            pitch = base * rng.uniform(0.85, 1.25, 2)
            _add(out, when_s, _voice(rng, length, pitch, VOWELS[rng.integers(6)]) * rng.uniform(0.4, 1))
            when_s += length * rng.uniform(0.9, 1.3)
        when_s += rng.uniform(0.3, 2.2)
    return out


def _shout(rng: np.random.Generator) -> np.ndarray:
    """A short angry call, hoarse from effort."""
    top = rng.uniform(240, 460)
    call = _voice(
        rng, rng.uniform(0.25, 0.6), top * np.array([0.8, 1, 0.95, 0.65]), VOWELS[rng.choice([0, 3, 5])], breath=0.3
    )
    return np.tanh(2.5 * call)
