"""Taking the evidence away: clips, reels, tables, subtitles, edit lists, reports, figures and labels."""
