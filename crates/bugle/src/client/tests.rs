use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::config::{Environment, Flags};

/// Answers one call with these bytes and returns what was asked.
async fn one_answer(answer: &'static str) -> (String, impl Future<Output = String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let served = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&asked).contains("\r\n\r\n") {
            let read = stream.read(&mut buffer).await.unwrap();
            asked.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        String::from_utf8(asked).unwrap()
    };
    (base, served)
}

async fn ask(answer: &'static str) -> (Result<Value, ClientError>, String) {
    let (base, served) = one_answer(answer).await;
    let key = Key { value: "bgl_secret".parse().unwrap(), origin: "BUGLE_API_KEY".into() };
    let client = Client::new(base, Some(key));
    tokio::join!(client.json(Method::GET, "/api/v1/incidents?q=a+b", None), served)
}

#[tokio::test]
async fn a_call_carries_its_key_and_brings_back_json() {
    let (answer, asked) = ask("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"data\":[]}").await;
    assert_eq!(answer.unwrap(), json!({"data": []}));
    assert!(asked.starts_with("GET /api/v1/incidents?q=a+b HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer bgl_secret\r\n"), "{asked}");
}

#[tokio::test]
async fn refusals_say_code_status_details_and_where_the_key_came_from() {
    let (answer, _) = ask(concat!(
        "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n",
        r#"{"error":{"code":"UNAUTHORIZED","message":"no such key","details":{"field":"authorization"}}}"#
    ))
    .await;
    let message = answer.unwrap_err().to_string();
    for part in ["no such key (UNAUTHORIZED, HTTP 401)", "field: authorization", "came from BUGLE_API_KEY"] {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
    assert!(!message.contains("bgl_secret"), "{message}");
}

#[tokio::test]
async fn something_else_that_listens_there_is_named_as_such() {
    for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhtml", "SSH-2.0-OpenSSH_9.2\r\n"] {
        let message = ask(answer).await.0.unwrap_err().to_string();
        assert!(message.contains("not from a hub") || message.contains("something else"), "{message}");
    }
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_asked_after() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failed = Client::new(&base, None).json(Method::GET, "/healthz", None).await;
    let message = failed.unwrap_err().to_string();
    assert!(message.contains(&base) && message.contains("Is `bugle serve` running?"), "{message}");
    let failed = Client::new("https://bugle.example.com", None).json(Method::GET, "/healthz", None).await;
    assert!(failed.unwrap_err().to_string().contains("ssh -L"));
}

#[test]
fn a_missing_key_says_where_it_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |data: &std::path::Path| {
        let flags = Flags { data: Some(data.to_str().unwrap().parse().unwrap()), ..Flags::default() };
        Settings::load(None, flags, &Environment::default()).unwrap()
    };
    let message = Key::find(&settings(folder.path())).unwrap_err().to_string();
    for part in ["BUGLE_API_KEY", "BUGLE_API_KEY_FILE", "admin.key, which is not there", "--data"] {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
    std::fs::write(folder.path().join("admin.key"), "bgl_x\n").unwrap();
    assert_eq!(Key::find(&settings(folder.path())).unwrap().value.expose(), "bgl_x");
}

#[test]
fn query_parameters_are_escaped_and_absent_ones_left_out() {
    assert_eq!(with_query("/x", &[("q", Some("a&b=c")), ("cursor", None)]), "/x?q=a%26b%3Dc");
    assert_eq!(with_query("/x", &[("cursor", None)]), "/x");
}
