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
      "{\"type\":\"progress\",\"phase\":\"p\",\"unit\":\"u\",\"done\":-1}", "{\"type\":\"nonsense\"}", "[]", "", "{",
    ])
  func hostile(line: String) {
    #expect(throws: TaskProtocolError.self) { _ = try TaskReport(line: Array(line.utf8)) }
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
