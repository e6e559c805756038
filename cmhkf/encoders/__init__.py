"""From frames, words and audio to rows: CLIP, VGGish and the demo encoders."""
