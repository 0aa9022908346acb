internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// The data API as it will serve the build, open to the preview's token only.
struct PreviewRoute {
  /// Of the dataset's endpoint on loopback, without a trailing slash.
  var url: String
  var token: String

  /// The body of an answer. Throws `DATA_API_UNAVAILABLE` where there is none.
  /// - Parameter again: more is asked for after this: the connection stays.
  func get(_ path: String, accept: String, what: String, again: Bool = false) throws -> [UInt8] {
    let response: LoopbackHTTP.Response
    do {
      response = try LoopbackHTTP.get(
        url + path, headers: [("X-Terrane-Preview", token), ("Accept", accept)], again: again)
    } catch {
      throw ProblemReport(.parametersInvalid, "The data API is not on this machine's loopback address.")
    }
    if let failure = response.failure {
      let text = String(decoding: response.body.prefix(300), as: UTF8.self)
      throw ProblemReport(
        .dataAPIUnavailable, "The data API did not serve \(what): \(failure) \(text)", transient: true)
    }
    return response.body
  }
}
