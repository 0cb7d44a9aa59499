"""The page of `dvc plots show`, with Vega inside: DVC's own page is blank without a network.

`python -m tools.plots_page` writes it from the packages in requirements.txt. The result is in
git, because DVC stops with an error where the page that .dvc/config names is missing. DVC puts the
plots into it and saves it as dvc_plots/index.html.
"""

from pathlib import Path

import vl_convert

from pipeline.stage import artifacts

PAGE = Path(".dvc/plots/page.html")

_VEGA_LITE = "5.21"  # of the major version that DVC's plot templates are written for

_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plots</title>
{refresh_tag}
<style>
body { font-family: sans-serif; color: #222; max-width: 1440px; margin: 24px auto; padding: 0 12px }
body > div.vega-embed { display: block; margin-bottom: 24px; }
/* What dvc.yaml lists as plots only for the sake of DVC's run cache. */
body > div[id^="metrics_"] { display: none; }
/* DVC puts the experiments' figures into one long line and cuts it off. */
body > div:has(img) {
  display: flex; flex-wrap: wrap; gap: 0 16px; border: 0 !important; white-space: normal !important;
}
body > div:has(img) > p { flex: 1 0 100%; font-weight: bold; text-align: left; }
body > div:has(img) > div { flex: 1 1 480px; border: 0 !important; margin: 0 !important; }
img { max-width: 100%; }
</style>
<!--
The script is Vega, Vega-Lite and Vega-Embed with what they need of D3 and others.

Vega, Vega-Lite, Vega-Embed:
Copyright (c) University of Washington Interactive Data Lab. All rights reserved.

Redistribution and use in source and binary forms, with or without modification, are permitted
provided that the following conditions are met:
1. Redistributions of source code must retain the above copyright notice, this list of conditions
   and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions
   and the following disclaimer in the documentation and/or other materials provided with the
   distribution.
3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse
   or promote products derived from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR
CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER
IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF
THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

D3: Copyright 2010-2023 Mike Bostock

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee
is hereby granted, provided that the above copyright notice and this permission notice appear in all
copies. THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS
SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE
AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES
WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE
OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS
SOFTWARE.
-->
<script>
VEGA
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def page() -> str:
    """DVC's HTML template with the Vega libraries that vl-convert-python carries."""
    bundle = vl_convert.javascript_bundle
    vega = bundle(vl_version=_VEGA_LITE)  # type: ignore[call-arg]  # `snippet` has a default
    return _TEMPLATE.replace("VEGA", vega)


if __name__ == "__main__":
    artifacts.write_text(PAGE, page())
