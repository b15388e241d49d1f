"""riccati verify: the packages that come with riccati."""

from terminal import run_cli


def test_cli_verify(monkeypatch, capsys):
    code, out, _ = run_cli(monkeypatch, capsys, "verify", "deflation")
    assert code == 0
    assert out.splitlines()[0].startswith("deflation")
    code, _, err = run_cli(monkeypatch, capsys, "verify", "nothing")
    assert code == 2
    assert "No derivation is called nothing" in err
