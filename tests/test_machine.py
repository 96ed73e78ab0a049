"""What a machine has, where the system under these tests is another."""

import pytest

from minicnn import machine

VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10.
Pages active:                            999.
Pages inactive:                          200.
Pages speculative:                      3000.
Pages purgeable:                       40000.
"Translation faults":                 123456.
"""


@pytest.mark.parametrize(
    ("pages", "size", "available"),
    [(VM_STAT, "4096", 43_210 * 4096), (VM_STAT, "", None), ("", "4096", None), ("Pages wired: 7.", "4096", None)],
)
def test_available_memory_of_a_mac_is_its_idle_pages(monkeypatch, tmp_path, pages, size, available):
    said = {("vm_stat",): pages, ("sysctl", "-n", "hw.pagesize"): size}
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "no meminfo")
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    monkeypatch.setattr(machine, "_said_by", lambda *command: said[command])
    found = machine._available_in_system()
    monkeypatch.undo()
    assert found == available
