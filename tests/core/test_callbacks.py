"""`PrintProgress` and `History`."""

from aeanom.core import History, PrintProgress, Progress


def progress(epoch, epochs=10, validation_loss=None):
    return Progress(
        epoch=epoch,
        epochs=epochs,
        loss=0.25,
        validation_loss=validation_loss,
        seconds=0.0123,
        history=History(),
        weights=dict,
    )


def test_a_line_is_printed_to_standard_error_every_few_epochs_and_after_the_last(capsys):
    printer = PrintProgress(4)
    for epoch in range(1, 11):
        assert not printer(progress(epoch))
    captured = capsys.readouterr()
    assert captured.out == ""
    epochs = [line.split("loss")[0].split()[-1] for line in captured.err.splitlines()]
    assert epochs == ["4/10", "8/10", "10/10"]


def test_the_line_has_the_losses_and_the_time(capsys):
    PrintProgress()(progress(3, validation_loss=0.5))
    assert capsys.readouterr().err == "epoch  3/10  loss 0.250000  validation 0.500000  12 ms\n"


def test_a_history_counts_its_epochs_and_comes_back_from_its_dict():
    history = History(
        loss=[3.0, 2.0], validation_loss=[4.0, 3.5], seconds=[0.1, 0.1], seed=7, steps=8
    )
    assert history.epochs == 2
    assert History.from_dict(history.to_dict()) == history
