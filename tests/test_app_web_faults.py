"""What browsers tell of faults in the page: one short line each in the log, and no more of them than it can bear."""

import logging

from app.web.faults import HOURLY, TEXT_LENGTH, PageFaults


def test_a_fault_is_one_line_and_cut_short(caplog):
    tell = PageFaults().write
    with caplog.at_level(logging.WARNING):
        tell("TypeError: x\n    at draw\r\n2026 INFO root: forged\x1b[31m" + "y" * 5000)
    (line,) = caplog.messages
    assert "TypeError: x at draw 2026 INFO root: forged [31myyy" in line
    assert "\n" not in line
    assert len(line) < TEXT_LENGTH + 100


def test_many_faults_do_not_fill_the_log_and_are_counted(caplog):
    clock = [0.0]
    tell = PageFaults(lambda: clock[0]).write
    with caplog.at_level(logging.WARNING):
        for i in range(HOURLY + 70):
            tell(f"fault {i}")
        assert len(caplog.messages) == HOURLY
        clock[0] = 3600.0
        tell("next hour")
    assert "(70 left out before it): next hour" in caplog.messages[-1]
