import CommandLineClient
import FramedMessages
import ProtobufFacade
import TerraneMessages
import Testing

@Suite("Text on terminals")
struct TerminalTextTests {
  @Test("Widths are those of terminals, not of strings")
  func widths() {
    #expect(TerminalText.width("roads") == 5)
    #expect(TerminalText.width("Zürich") == 6)
    #expect(TerminalText.width("Zu\u{308}rich") == 6)
    #expect(TerminalText.width("東京") == 4)
    #expect(TerminalText.width("🗺️ map") == 6)
    #expect(TerminalText.width("👩‍👩‍👧") == 2)
  }

  @Test("Cutting never exceeds the width and never halves a character")
  func truncation() {
    #expect(TerminalText.truncated("roads", to: 5) == "roads")
    #expect(TerminalText.truncated("railways", to: 5) == "rail…")
    #expect(TerminalText.truncated("東京都", to: 5) == "東京…")
    #expect(TerminalText.truncated("東京都", to: 4) == "東…")
    #expect(TerminalText.truncated("abc", to: 0) == "")
    for columns in 0...12 { #expect(TerminalText.width(TerminalText.truncated("a東b京c🗺d", to: columns)) <= columns) }
  }

  @Test("An escape sequence in a name does not reach the terminal")
  func sanitising() {
    #expect(TerminalText.sanitised("a\u{1B}[2Jb") == "a\u{FFFD}[2Jb")
    #expect(TerminalText.sanitised("one\ntwo\tthree\r") == "one two three ")
    #expect(TerminalText.sanitised("\u{9B}31m\u{202E}gpj.exe") == "\u{FFFD}31m\u{FFFD}gpj.exe")
    #expect(TerminalText.sanitised("Zürich 東京") == "Zürich 東京")
  }

  @Test("Wrapping breaks at spaces and leaves URLs whole")
  func wrapping() {
    #expect(TerminalText.wrapped("one two three", to: 8) == ["one two", "three"])
    #expect(
      TerminalText.wrapped("see http://127.0.0.1:7480/api/data now", to: 10)
        == ["see", "http://127.0.0.1:7480/api/data", "now"])
    #expect(TerminalText.wrapped("", to: 10) == [])
  }
}

@Suite("Numbers for people")
struct QuantityTests {
  @Test func counts() {
    #expect(Quantity.count(0) == "0")
    #expect(Quantity.count(999) == "999")
    #expect(Quantity.count(1_234_567) == "1,234,567")
    #expect(Quantity.count(-1000) == "-1,000")
    #expect(Quantity.count(Int64.min) == "-9,223,372,036,854,775,808")
    #expect(Quantity.count(1, "feature") == "1 feature")
    #expect(Quantity.count(2, "feature") == "2 features")
  }

  @Test func bytesAndRates() {
    #expect(Quantity.bytes(1023) == "1023 B")
    #expect(Quantity.bytes(3_565_158) == "3.4 MiB")
    #expect(Quantity.rate(12_300.4, unit: "rows") == "12,300 rows/s")
    #expect(Quantity.rate(0.44, unit: "tiles") == "0.4 tiles/s")
    #expect(Quantity.rate(8_493_465, unit: "bytes") == "8.1 MiB/s")
    #expect(Quantity.rate(.nan, unit: "rows") == "")
    #expect(Quantity.rate(.infinity, unit: "bytes") == "")
    #expect(Quantity.rate(1e300, unit: "bytes") == "")
    #expect(Quantity.amount(1_048_576, of: 3_145_728, unit: "bytes") == "1.0 MiB of 3.0 MiB")
    #expect(Quantity.amount(1200, of: nil, unit: "rows") == "1,200 rows")
  }

  @Test func durations() {
    #expect(Quantity.duration(0.2) == "0 s")
    #expect(Quantity.duration(59.4) == "59 s")
    #expect(Quantity.duration(59.6) == "1 min")
    #expect(Quantity.duration(100) == "1 min 40 s")
    #expect(Quantity.duration(8100) == "2 h 15 min")
    #expect(Quantity.duration(.infinity) == "long")
  }

  @Test("100% is shown at the end and not before")
  func percent() {
    #expect(Quantity.percent(99.99) == "99%")
    #expect(Quantity.percent(100) == "100%")
    #expect(Quantity.percent(-3) == "0%")
    #expect(Quantity.percent(.nan) == "0%")
    #expect(Quantity.percent(1e9) == "100%")
  }
}

@Suite("Progress bars")
struct ProgressBarTests {
  @Test("Golden bars")
  func golden() {
    let bar = ProgressBar(unicode: true)
    #expect(bar.text(0, columns: 4) == "░░░░")
    #expect(bar.text(0.5, columns: 4) == "██░░")
    #expect(bar.text(0.59, columns: 4) == "██▎░")
    #expect(bar.text(1, columns: 4) == "████")
    #expect(ProgressBar(unicode: false).text(0.5, columns: 4) == "##--")
  }

  @Test(
    "Always as wide as asked, whatever the fraction", arguments: [-1, 0, 0.001, 0.1249, 0.999, 1, 7, .nan, .infinity])
  func width(_ fraction: Double) {
    for unicode in [true, false] {
      for columns in 0...40 {
        #expect(TerminalText.width(ProgressBar(unicode: unicode).text(fraction, columns: columns)) == columns)
      }
    }
  }
}

@Suite("What somebody may have meant")
struct SpellingTests {
  @Test("A letter or two away, a swap, or a beginning; not more")
  func nearest() {
    let words = ["create", "watch", "get", "log", "list", "delete", "undelete", "purge"]
    for (typed, meant) in [
      ("creat", "create"), ("wacth", "watch"), ("gte", "get"), ("undelte", "undelete"), ("Delete", "delete"),
      ("del", "delete"), ("frobnicate", nil), ("x", nil), ("", nil),
    ] {
      #expect(Spelling.nearest(to: typed, among: words) == meant, "\(typed)")
    }
  }

  @Test("The pattern that files were made of")
  func pattern() {
    #expect(Spelling.pattern(of: ["d/dem_a.tif", "d/dem_b.tif", "d/dem_bc.tif"]) == "d/dem_*.tif")
    #expect(Spelling.pattern(of: ["a.TIF", "b.TIF"]) == "*.TIF")
    for files in [["a.tif"], ["a/x.tif", "b/x.tif"], ["a.tif", "b.tiff"], ["a.gpkg", "b.gpkg"], []] {
      #expect(Spelling.pattern(of: files) == nil, "\(files)")
    }
  }
}

@Suite("Answers as JSON")
struct PrintedTests {
  @Test("What uses all 64 bits is a string, also in lists; counts stay numbers")
  func numbers() throws {
    let dataset = Dataset(statusSeq: 1 << 60, epoch: .max)
    let text = ListDatasetsResponse(datasets: [dataset]).jsonObject().printed.text
    #expect(text.contains(#""epoch":"18446744073709551615""#) && text.contains(#""status_seq":1152921504606846976,"#))
  }

  @Test("A time that an option names")
  func times() throws {
    #expect(
      try ProtobufTimestamp(option: "--datetime", "2026-11-29T12:00:00.5+01:00")
        == ProtobufTimestamp(seconds: 1_795_950_000, nanos: 500_000_000))
    for text in ["2026-11-29", "now", "", "\"", "2026-13-01T00:00:00Z"] {
      #expect(throws: CommandLineError.self) { try ProtobufTimestamp(option: "--datetime", text) }
    }
  }
}
