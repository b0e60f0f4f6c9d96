// Runs in old browsers too, and says why the page cannot work where it cannot.
(function () {
  var fault = document.getElementById("fault"), said = "";
  if (location.protocol === "file:") {
    said = "Browsers run this page only from a web server: run “python3 -m http.server” in its folder, and open http://localhost:8000/";
  } else if (!("noModule" in document.createElement("script")) || typeof WebAssembly !== "object" || !window.DecompressionStream) {
    said = "This browser is too old to hear: it lacks WebAssembly with SIMD, which versions of 2023 and later have.";
  }
  if (!said) return;
  fault.textContent = said;
  fault.hidden = false;
  document.getElementById("outcome").textContent = "Not here";
})();
