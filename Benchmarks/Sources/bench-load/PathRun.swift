import FramedRPC
import TerraneMessages

/// Makes a dataset for each line `NAME URL` of standard input, follows it to its end, and says when what happened.
struct PathRun {
  let job: Job

  init(_ job: Job) { self.job = job }

  private struct Frame: Encodable {
    var at: Int64
    var status: String
    var step: String
    var seq: UInt64
  }
  private struct Answer: Encodable {
    /// Microseconds since 1970.
    var sent: Int64
    var accepted: Int64
    var frames: [Frame] = []
    var key = ""
  }

  func run() async throws {
    let service = DatasetServiceClient(try await job.connect())
    while let line = readLine() {
      let words = line.split(separator: " ").map(String.init)
      guard words.count == 2 else { throw Failed("a line is NAME URL") }
      let name = DatasetName(namespace: "default", datasetID: "bench", resourceID: words[0], versionID: "v1")
      let spec = DatasetSpec(type: .vector, source: .vector(VectorSource(url: words[1])))
      let sent = Clock.wall()
      let response = try await service.createDataset(CreateDatasetRequest(name: name, spec: spec))
      var answer = Answer(sent: sent, accepted: Clock.wall())
      guard let dataset = response.dataset, response.created else { throw Failed("\(words[0]) was there already") }
      answer.key = dataset.datasetKey
      let reference = DatasetRef(by: .datasetKey(dataset.datasetKey))
      for try await event in service.watchStatus(WatchStatusRequest(dataset: reference)) {
        guard let status = event.message else { continue }
        answer.frames.append(
          Frame(
            at: Clock.wall(), status: "\(status.status)", step: status.progress?.step ?? "", seq: event.seq))
        if let problem = status.problem { throw Failed("\(words[0]): \(problem)") }
      }
      try say(answer)
    }
  }
}
