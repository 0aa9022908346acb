import CommandLineClient
import ProtobufFacade
import Testing

@Suite struct LoadReportTests {
  @Test("percentiles are within 1.6 % of the value that has its place") func percentiles() {
    var histogram = LatencyHistogram()
    for value in 1...100_000 as ClosedRange<Int64> { histogram.add(nanoseconds: value * 1_000) }
    for (share, wanted) in [(0.5, 50_000_000.0), (0.99, 99_000_000), (0.999, 99_900_000)] {
      let found = Double(histogram.percentile(share))
      #expect(found >= wanted && found <= wanted * 1.016, "\(share): \(found)")
    }
    #expect(histogram.percentile(1) == 100_000_000 && histogram.longest == 100_000_000)
  }

  @Test("small values are exact, and none is lost in adding up") func small() {
    var first = LatencyHistogram()
    for value in 0...63 as ClosedRange<Int64> { first.add(nanoseconds: value) }
    var second = LatencyHistogram()
    second.add(nanoseconds: .max)
    second.add(nanoseconds: -1)
    first.add(second)
    #expect(first.count == 66)
    #expect(first.percentile(0.5) == 31)
    #expect(first.longest == .max && first.percentile(1) == .max)
  }

  @Test("nothing answered is said as it is") func nothing() {
    var report = LoadReport(method: "a.B/C", connections: 1, inFlight: 8, rate: nil, seconds: 2)
    report.failures = ["UNAVAILABLE": 1_200]
    #expect(
      report.text == """
        a.B/C: 1 connection, 8 at a time on each, 2.0 s
          calls    0  (0/s)
          failed   1,200  UNAVAILABLE

        """)
    #expect(report.json.text.contains("\"calls\":0") || report.json.text.contains("\"calls\": 0"))
  }

  @Test("as text and as JSON") func shown() {
    var report = LoadReport(method: "a.B/C", connections: 2, inFlight: 8, rate: 1_000, seconds: 4)
    for _ in 0..<4_000 { report.latency.add(nanoseconds: 1_250_000) }
    #expect(
      report.text == """
        a.B/C: 2 connections, 1,000 calls/s asked for, 4.0 s
          calls    4,000  (1,000/s)
          latency  p50 1.25 ms  p90 1.25 ms  p99 1.25 ms  p99.9 1.25 ms  longest 1.25 ms

        """)
    guard case .object(let members) = report.json else {
      Issue.record("not an object")
      return
    }
    let names = members.map { $0.name }
    #expect(
      names == [
        "method", "connections", "in_flight", "rate", "seconds", "calls", "calls_per_second", "latency", "failures",
      ])
  }
}
