"""Events as Kafka records: what is sent (`sink`), by which connections (`producer`), and what errors mean (`errors`)."""
