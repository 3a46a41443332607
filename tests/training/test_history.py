from whitepatch.training.history import smallest_losses, table


def test_a_table_and_its_smallest_losses_by_hand(tmp_path):
    def row(epoch, train, test):
        return {"epoch": epoch, "train_loss": train, "test_loss": test}

    text = table({3: [row(1, 0.5, 1 / 3), row(2, 0.25, 0.75)], 1: [row(1, 2.0, 1e-12)]})
    assert text.splitlines() == [
        "seed,epoch,train_loss,test_loss",
        "3,1,0.5,0.333333333",
        "3,2,0.25,0.75",
        "1,1,2,1e-12",
    ]
    (tmp_path / "a.csv").write_text(text)
    assert smallest_losses(tmp_path / "a.csv") == {
        3: {"min_train_loss": 0.25, "min_test_loss": 0.333333333},
        1: {"min_train_loss": 2.0, "min_test_loss": 1e-12},
    }
