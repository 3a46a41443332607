import re


def test_the_readmes_table_is_the_reports(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    report = (root / "docs/first-edition/report.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"<!-- table.*?-->\n\n(.*?)\n\n<!-- end -->", readme, re.DOTALL)
    table = report[report.index("| variant | parameters") :].split("\n\n")[0]
    assert shown == table, "copy the first table of docs/first-edition/report.md into README.md"


def test_the_readmes_share_of_the_hardest_images_is_the_reports(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    report = (root / "docs/first-edition/report.md").read_text(encoding="utf-8")
    least, most = re.search(r"hold from (\d+ %) .*? to (\d+ %)", report).groups()
    assert f"hold {least} to {most} of a variant's test loss" in readme


def test_every_link_into_the_project_exists(root):
    for page in [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        targets = [
            target.partition("#")[0]
            for target in re.findall(r"\]\(([^)]+)\)", text)
            if "://" not in target
        ]
        for target in targets:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_photographs_page_names_every_photograph_and_those_of_no_known_origin(root):
    from whitepatch.sources.photos.catalogue import PHOTOGRAPHS

    page = (root / "docs/photographs.md").read_text(encoding="utf-8")
    for name, photograph in PHOTOGRAPHS.items():
        row = next(line for line in page.splitlines() if f"`{name}`" in line and line[0] == "|")
        assert ("not stated" in row) == (photograph.origin == "unknown"), name
