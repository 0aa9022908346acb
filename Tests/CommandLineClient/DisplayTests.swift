import CommandLineClient
import TerraneMessages
import Testing

@Suite("The line that shows progress")
struct StatusLineTests {
  let line = StatusLine(unicode: true)

  @Test("Golden lines: what there is room for, the most telling longest")
  func golden() {
    let status = loading(47.9, warnings: [dropped])
    #expect(
      line.bar(status, columns: 160)
        == "[2/4] loading features  ██████████████▎░░░░░░░░░░░░░░░  47%  1,197,500 of 2,500,000 rows  12,300 rows/s  1 min 40 s left (by rate)  12 warnings"
    )
    #expect(
      line.bar(status, columns: 100)
        == "[2/4] loading features  ████▊░░░░░  47%  12,300 rows/s  1 min 40 s left (by rate)  12 warnings")
    #expect(line.bar(status, columns: 60) == "[2/4] loading features  ████▊░░░░░  47%  12,300 rows/s")
    #expect(line.bar(status, columns: 40) == "[2/4] loading features  ████▊░░░░░  47%")
    #expect(line.bar(status, columns: 30) == "[2/4] loading features 47%")
    #expect(line.bar(status, columns: 12) == "[2/4] loadi…")
    #expect(
      StatusLine(unicode: false).bar(status, columns: 40) == "[2/4] loading features  ####------  47%")
  }

  @Test("Never wider than the terminal", arguments: [true, false])
  func width(_ unicode: Bool) {
    for columns in 1...200 {
      for percent in [0, 33.3, 99.99, 100] {
        let text = StatusLine(unicode: unicode).bar(loading(percent, warnings: [dropped]), columns: columns)
        #expect(TerminalText.width(text) <= columns)
      }
    }
  }

  @Test("As a sentence for logs")
  func plain() {
    #expect(
      line.plain(loading(47.9, warnings: [dropped]))
        == "[2/4] loading features: 47%, 1,197,500 of 2,500,000 rows, 12,300 rows/s, 1 min 40 s left (by rate), 12 warnings"
    )
    #expect(line.plain(DatasetStatus(status: .requested)) == "waiting for a free worker: 0%")
    let probing = DatasetStatus(status: .provisioning, progress: Progress(percent: 1, step: "probe", stepNumber: 1))
    #expect(line.plain(probing) == "[1] looking at the source: 1%")
    #expect(line.plain(DatasetStatus(status: .unrecognized(77))) == "status 77: 0%")
  }

  @Test("A step without units says what it is doing")
  func message() {
    var status = loading(90)
    status.progress?.unit = "steps"
    status.progress?.message = "Building the index"
    #expect(line.plain(status) == "[2/4] loading features: 90%, Building the index, 1 min 40 s left (by rate)")
  }

  @Test("What runs out is said, whatever the step was")
  func cancelling() {
    var status = loading(50)
    status.operation?.state = .cancelling
    #expect(line.plain(status).hasPrefix("[2/4] cancelling: 50%"))
  }

  @Test("Numbers that are none do no harm")
  func strange() {
    var status = loading(.nan)
    status.progress?.done = -1
    status.progress?.rate = .infinity
    status.progress?.etaSeconds = -.infinity
    status.progress?.step = "load\u{1B}[2J"
    #expect(line.bar(status, columns: 50) == "[2/4] load\u{FFFD}[2J  ░░░░░░░░░░░░░░░░░░░░   0%")
  }
}

@Suite("A watch on the screen")
struct WatchDisplayTests {
  let start = ContinuousClock.now

  func after(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

  @Test("The bar is redrawn in place, ten times a second at most, and the newest value is not lost")
  func redraws() {
    var display = WatchDisplay(style: .bar(columns: 40), unicode: true)
    #expect(display.update(loading(10), at: start) == "\r[2/4] loading features  █░░░░░░░░░  10%\u{1B}[K")
    #expect(display.update(loading(11), at: after(50)) == "")
    #expect(display.update(loading(20), at: after(60)) == "")
    #expect(display.tick(at: after(90)) == "")
    #expect(display.tick(at: after(101)) == "\r[2/4] loading features  ██░░░░░░░░  20%\u{1B}[K")
    #expect(display.tick(at: after(300)) == "")
    #expect(display.finish() == "\r\u{1B}[K")
    #expect(display.finish() == "")
  }

  @Test("A thousand updates in a second draw ten times or so")
  func calm() {
    var display = WatchDisplay(style: .bar(columns: 80), unicode: true)
    let draws = (0..<1000).filter { !display.update(loading(Double($0) / 10), at: after($0)).isEmpty }
    #expect((10...11).contains(draws.count))
  }

  @Test("Warnings stand above the bar when they appear and each time they have grown tenfold")
  func warnings() {
    var display = WatchDisplay(style: .bar(columns: 40), unicode: true)
    func warning(_ count: Int64) -> DatasetStatus {
      loading(10, warnings: [WarningCount(reason: "Z_DROPPED", count: count, message: "Z values were dropped")])
    }
    _ = display.update(loading(10), at: start)
    #expect(
      display.update(warning(3), at: after(10))
        == "\r\u{1B}[K! Z_DROPPED (3): Z values were dropped\n\r[2/4] loading features  █░░░░░░░░░  10%\u{1B}[K")
    #expect(display.update(warning(29), at: after(20)) == "")
    #expect(display.update(warning(30), at: after(30)).contains("Z_DROPPED (30)"))
  }

  @Test("A notice goes above the bar, which comes back")
  func notices() {
    var display = WatchDisplay(style: .bar(columns: 40), unicode: true)
    _ = display.update(loading(10), at: start)
    #expect(display.interject("The server went away.") == "\r\u{1B}[KThe server went away.\n")
    #expect(display.tick(at: after(200)).hasPrefix("\r[2/4]"))
  }

  @Test("A log gets a line for each step, each tenth and each ten seconds, without control characters")
  func lines() {
    var display = WatchDisplay(style: .lines, unicode: true)
    #expect(display.update(loading(10), at: start).hasPrefix("[2/4] loading features: 10%, 250,000 of"))
    #expect(display.update(loading(10), at: after(5)) == "")
    #expect(display.update(loading(19), at: after(10)) == "")
    #expect(display.update(loading(20), at: after(20)).hasPrefix("[2/4] loading features: 20%"))
    #expect(display.update(loading(21), at: after(10_021)).hasPrefix("[2/4] loading features: 21%"))
    let step = display.update(loading(22, step: 4), at: after(10_022))
    #expect(step.hasPrefix("[4/4] checking what is served: 22%") && step.hasSuffix("\n") && !step.contains("\u{1B}"))
    #expect(display.tick(at: after(20_000)) == "" && display.finish() == "")
  }
}
