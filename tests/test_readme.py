import re


def test_the_readmes_answer_is_that_of_the_page_of_all_results(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    page = (root / "reports/index.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"<!-- answer.*?-->\n(.*?)\n<!-- end -->", readme, re.DOTALL)
    said = [line for line in page.splitlines() if line.startswith("- **Must")]
    assert said
    assert [line for line in shown.splitlines() if line.startswith("- **")] == said, (
        "copy what reports/index.md says of each question into README.md"
    )
    assert re.findall(r"\]\((.*?)\)", shown) == [
        f"reports/{name}.png" for name in ("strip", "sizes", "tasks")
    ]


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
