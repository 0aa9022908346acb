import JobTypes
import TaskProtocol
import Testing

import enum Geospatial.WarningCode
import struct Geospatial.GeospatialError

@Suite("Task protocol") struct ProtocolTests {
  @Test(
    "every report survives its line",
    arguments: [
      TaskReport.heartbeat, .progress(TaskProgress(phase: "load", unit: "rows", done: 3, total: nil, message: "a\nb")),
      .warning(
        TaskWarning(reason: "NULL_GEOMETRY", count: 9, examples: [WarningExample(layer: "l", feature: 7, detail: "d")])),
      .completed(result: "{\"a\":[1,2.5,null,true,\"x\"],\"big\":9007199254740993}"), .completedInFile("result.json"),
      .failed(ProblemReport(reason: "CRS_MISSING", message: "m", layer: "l", feature: 1, details: ["k": "v"])),
    ])
  func roundTrip(report: TaskReport) throws {
    let line = try report.line()
    #expect(line.last == 0x0A && !line.dropLast().contains(0x0A))
    #expect(try TaskReport(line: line) == report)
  }

  @Test("an assignment survives its line, parameters and all")
  func assignment() throws {
    let assignment = TaskAssignment(
      taskID: 1, attempt: 2, operationID: 3, jobType: "probe", stage: "main", parameters: "{\"a\":{\"b\":[1,\"ü/\"]}}",
      database: TaskDatabase(host: "/s", port: 1, database: "d", user: "u", password: "p\"", applicationName: "a"),
      stagingSchema: "s", scratchDirectory: "/t", allowedRoots: ["/r"], dataAPIURL: "http://127.0.0.1:1")
    #expect(try TaskAssignment(line: assignment.line()) == assignment)
  }

  @Test(
    "what a hostile child may send is refused",
    arguments: [
      "{\"type\":\"completed\"}", "{\"type\":\"completed\",\"result\":3}",
      "{\"type\":\"completed\",\"resultFile\":\"../x\"}", "{\"type\":\"completed\",\"resultFile\":\".x\"}",
      "{\"type\":\"warning\",\"reason\":\"r\",\"count\":1,\"first\":-1}",
      "{\"type\":\"warning\",\"reason\":\"r\",\"count\":1,\"first\":1001}",
      "{\"type\":\"progress\",\"phase\":\"p\",\"unit\":\"u\",\"done\":-1}", "{\"type\":\"nonsense\"}", "[]", "", "{",
    ])
  func hostile(line: String) {
    #expect(throws: TaskProtocolError.self) { _ = try TaskReport(line: Array(line.utf8)) }
  }

  @Test(
    "a thousand examples go in lines of twenty, and are put together again",
    arguments: [0, 1, 20, 21, 999, 1_000, 1_200])
  func manyExamples(count: Int) throws {
    let long = String(repeating: "\u{1F5FA}\"", count: 150)
    let examples = (0..<count).map { WarningExample(layer: "l", feature: Int64($0), detail: long) }
    let warning = TaskWarning(reason: "NULL_GEOMETRY", count: 5_000, examples: examples)
    let lines = try warning.lines.map { try TaskReport(line: TaskReport.warning($0).line()) }
    #expect(lines.count == max(1, (min(count, 1_000) + 19) / 20))
    let together = lines.reduce(TaskWarning?.none) { known, line in
      guard case .warning(let warning) = line else { return nil }
      return warning.following(known)
    }
    #expect(together?.examples == Array(examples.prefix(1_000)) && together?.count == 5_000 && together?.first == 0)
  }

  @Test("what comes after a line that is missing is left out; the count is the newest")
  func aLineIsMissing() {
    func line(_ first: Int, _ count: Int64) -> TaskWarning {
      let examples = (first..<first + 20).map { WarningExample(feature: Int64($0), detail: "") }
      return TaskWarning(reason: "r", count: count, examples: examples, first: first)
    }
    let known = line(40, 60).following(line(0, 20).following(nil))
    #expect(known.examples.map(\.feature) == (0..<20).map { Int64($0) } && known.count == 60)
    #expect(line(0, 80).following(line(20, 70).following(line(0, 20).following(nil))).examples.count == 20)
  }

  @Test("a line that never ends is refused before it is held")
  func endless() throws {
    var lines = LineAssembler(limit: 10)
    #expect(try lines.append(Array("123456789\nab".utf8)) == [Array("123456789".utf8)])
    #expect(throws: TaskProtocolError.lineTooLong(limit: 10)) { _ = try lines.append(Array("cdefghijk".utf8)) }
  }

  @Test("every reason of the geospatial module is a reason of the job types")
  func reasons() {
    for code in GeospatialError.Code.allCases { #expect(Reason(rawValue: code.rawValue) != nil, "\(code)") }
    for code in WarningCode.allCases { #expect(WarningReason(rawValue: code.rawValue) != nil, "\(code)") }
  }
}
