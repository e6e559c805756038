"""What to beware of in a clip: footage on which the demo's scores are not known to hold.

By `benchmarks/robustness.py`, "Seen otherwise" in `checkpoints/README.md`, they hold at 8 frames a second and more,
move far at 2, in the dark and under strong compression, and some upside down. Told are, of the 466 training clips, the
58 at 1.9 frames a second and 11 others as strongly compressed, 4 of them XD-Violence's own samples. Of 37 clips re-
encoded as that script does, all are told at 2 frames a second and 34 at CRF 36 (3 of these for UCF-Crime's rate); in
the ways that hold, upside down and in the dark, none but for that rate.

Not told are pictures upside down, darkness (by the first frame's brightness, a limit that tells 3 in 100 of the
training clips tells a third of those made dark), compression by other codecs than H.264, and few frames a second where
the rate varies or each frame is repeated. Bits per pixel say little: a limit that tells 1 in 100 of the training clips
tells a quarter at CRF 36.
"""

from cmhkf.analysis import Analysis

EXPECT = "Expect misses and false alarms."
LEAST_RATE = 7.5  # frames a second; measured at 8, and the slowest training clip beside UCF-Crime's has 10
UCF_RATES = (1.5, 2.5)  # about 1.9, which the model card measures apart
MOST_QUANTISER = 32.0  # of the first frame; at CRF 36 it is 34 or so
UCF = "; what to expect at 1.9 stands in the model card, under UCF-Crime"


def caution(analysis: Analysis) -> str:
    """One sentence for people; empty where nothing is known against the clip, or the model is not the demo."""
    if not analysis.trained or analysis.model_id.partition("@")[0] != "demo":
        return ""
    clip, found = analysis.clip, []
    if clip.native_rate and (rate := float(clip.native_rate)) < LEAST_RATE:
        apart = UCF if UCF_RATES[0] <= rate <= UCF_RATES[1] else ""
        found.append(f"{rate:.2g} frames a second (they hold from 8 on{apart})")
    if clip.quantiser is not None and clip.quantiser > MOST_QUANTISER:
        found.append("strongly compressed")
    return f"The model's scores are not known to hold on such footage: {', '.join(found)}. {EXPECT}" if found else ""
